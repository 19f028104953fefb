"""vLLM's own OpenAI routes, with what it leaves unchecked before it works on a request.

The routes replace vLLM's and call its handlers, with the middleware's request ids.
"""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Self, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ModelWrapValidatorHandler, model_validator
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.responses.api_router import create_responses
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.entrypoints.serve.utils.api_utils import validate_json_request

from qwen_ocr_serve.api import bounds, parameters, tasks
from qwen_ocr_serve.api.chat import answer_chat
from qwen_ocr_serve.api.grammars import GrammarChecker
from qwen_ocr_serve.api.json_route import JSONRoute
from qwen_ocr_serve.api.openapi import ERRORS
from qwen_ocr_serve.api.page_responses import answer_page
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.http.routes import POST, Route
from qwen_ocr_serve.settings import server_settings

_OTHER_MEDIA = frozenset(
    {"audio_url", "input_audio", "audio_embeds", "video_url", "image_embeds", "prompt_embeds"}
)
_EMPTY = "the prompt is empty: say what to read, for instance 'Read all the text in the image.'"
_RESPONSES: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK.value: {"content": {"text/event-stream": {}}},
    **{status.value: {"model": ErrorResponse} for status in ERRORS},
}

ROUTES = (
    Route("/v1/chat/completions", POST, limited=True),
    Route("/v1/responses", POST, limited=True),
)
router = APIRouter(
    tags=["Models and chat (OpenAI)"],
    dependencies=[Depends(validate_json_request)],
    route_class=JSONRoute,
)
_grammars = GrammarChecker()


async def _check_chat(request: Request) -> None:
    """Bound a chat request before anything is made of it. Raises `APIError`."""
    await _check(await request.json(), parameters.CHAT, bounds.check_chat)


async def _check_response(request: Request) -> None:
    """The same for a request of the Responses API."""
    await _check(await request.json(), parameters.RESPONSES, bounds.check_responses)


async def _check(
    data: object, allowed: Mapping[str, str], check: Callable[[Mapping[str, Any]], None]
) -> None:
    if not isinstance(data, dict):
        return  # vLLM says so
    allow_grammars = server_settings().allow_grammars
    parameters.check_parameters(data, allowed, allow_grammars=allow_grammars)
    check(data)
    tasks.refuse_request(data)
    structured = data.get("structured_outputs")
    if allow_grammars and isinstance(structured, dict):
        await _grammars.check(structured)


def _refuse_empty(parameter: str, *prompts: Any) -> None:
    if not any(text.strip() for text in tasks.texts(prompts)):
        raise APIError(HTTPStatus.BAD_REQUEST.value, "empty_prompt", _EMPTY, parameter)


def _has_parts(message: Any) -> bool:
    """Whether a message has something else than text in it: an image, or what is refused."""
    content = message.get("content") if isinstance(message, dict) else None
    return isinstance(content, list) and any(
        isinstance(part, dict) and part.get("type") not in tasks.TEXT_TYPES for part in content
    )


def _reads_without_prompt(messages: Iterable[Any]) -> bool:
    return tasks.needs_no_prompt() and any(map(_has_parts, messages))


def _invalid(message: str, parameter: str | None = None) -> APIError:
    return APIError(HTTPStatus.BAD_REQUEST.value, "invalid_request", message, parameter)


class _Checked(BaseModel):
    """A request whose fields may be anything until vLLM's own validators have looked at them."""

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_wrong_types(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        # Some of vLLM's validators run before the types are checked, and take them for granted.
        try:
            return handler(data)
        except (AttributeError, KeyError, TypeError) as exc:
            raise _invalid("a field of the request has the wrong type") from exc


class ChatRequest(_Checked, ChatCompletionRequest):
    """vLLM's chat request, for text and images; at least one of its messages says something."""

    @model_validator(mode="after")
    def _refuse_what_vllm_does_not(self) -> Self:
        if not _reads_without_prompt(self.messages):
            _refuse_empty("messages", self.messages)
        tasks.in_own_words(self.messages)
        for message in self.messages:
            content = message.get("content")
            for part in content if isinstance(content, list) else ():
                if isinstance(part, dict) and _OTHER_MEDIA & {part.get("type"), *part}:
                    raise _invalid("this server reads text and images, nothing else", "messages")
        return self


class ResponseRequest(_Checked, ResponsesRequest):
    """vLLM's request of the Responses API; it says something."""

    @model_validator(mode="before")
    @classmethod
    def _translate(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("input"), list):
            tasks.in_own_words(data["input"])
        return data

    @model_validator(mode="after")
    def _refuse_empty_prompt(self) -> Self:
        if self.prompt is None and not _reads_without_prompt(self.input):
            _refuse_empty("input", self.instructions, self.input)
        return self


@router.post(
    "/v1/chat/completions",
    summary="Ask about images (chat completions)",
    responses=_RESPONSES,
    dependencies=[Depends(_check_chat)],
)
async def chat(request: ChatRequest, raw_request: Request) -> Response:
    """Create a chat completion, as OpenAI does."""
    return await answer_chat(request, raw_request)


@router.post(
    "/v1/responses",
    summary="Ask about images (responses)",
    responses=_RESPONSES,
    dependencies=[Depends(_check_response)],
)
async def responses(request: ResponseRequest, raw_request: Request) -> Response:
    """Create a response, as OpenAI does."""
    request.request_id = "resp_" + raw_request.headers["x-request-id"]
    page = await answer_page(request, raw_request)
    return cast("Response", page or await create_responses(request, raw_request))
