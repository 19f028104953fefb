"""vLLM's own OpenAI routes, with what it leaves unchecked: a prompt that says nothing.

The routes replace vLLM's, and call its handlers. The request ids of all of them are the guard's.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Self

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import model_validator
from vllm.entrypoints.openai.chat_completion.api_router import create_chat_completion
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.responses.api_router import create_responses
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.entrypoints.serve.utils.api_utils import validate_json_request
from vllm.exceptions import VLLMValidationError

_EMPTY = "the prompt is empty: say what to read, for instance 'Read all the text in the image.'"
_RESPONSES: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK.value: {"content": {"text/event-stream": {}}},
    **{
        status.value: {"model": ErrorResponse}
        for status in (
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            HTTPStatus.SERVICE_UNAVAILABLE,
        )
    },
}

router = APIRouter(dependencies=[Depends(validate_json_request)])


def _texts(content: Any) -> Iterator[str]:
    """Every text in a message's content, or in a whole conversation."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        yield from _texts(content.get("text") or content.get("content"))
    elif isinstance(content, list | tuple):
        for part in content:
            yield from _texts(part)


class ChatRequest(ChatCompletionRequest):
    """vLLM's chat request; at least one of its messages says something."""

    @model_validator(mode="after")
    def _refuse_empty_prompt(self) -> Self:
        if not any(text.strip() for text in _texts(self.messages)):
            raise VLLMValidationError(_EMPTY, parameter="messages")
        return self


class ResponseRequest(ResponsesRequest):
    """vLLM's request of the Responses API; it says something."""

    @model_validator(mode="after")
    def _refuse_empty_prompt(self) -> Self:
        says = [self.instructions, self.input]
        if self.prompt is None and not any(text.strip() for text in _texts(says)):
            raise VLLMValidationError(_EMPTY, parameter="input")
        return self


@router.post("/v1/chat/completions", responses=_RESPONSES)
async def chat(request: ChatRequest, raw_request: Request) -> Response:
    """Create a chat completion, as OpenAI does."""
    return await create_chat_completion(request, raw_request)


@router.post("/v1/responses", responses=_RESPONSES)
async def responses(request: ResponseRequest, raw_request: Request) -> Response:
    """Create a response, as OpenAI does."""
    request.request_id = "resp_" + raw_request.headers["x-request-id"]
    return await create_responses(request, raw_request)
