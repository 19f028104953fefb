"""Asks vLLM's own chat handler, within this process."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import cast

from starlette.datastructures import State
from starlette.requests import Request
from vllm.entrypoints.generate.base.protocol import StreamOptions
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionLogProbs,
    ChatCompletionRequest,
    ChatCompletionResponse,
    ChatCompletionResponseChoice,
    ChatCompletionStreamResponse,
    ChatMessage,
)
from vllm.entrypoints.serve.engine.protocol import ErrorResponse, UsageInfo
from vllm.exceptions import VLLMClientError

from qwen_ocr_serve.http.traces import trace_headers
from qwen_ocr_serve.http.vllm_errors import from_answer

_RETRY_AFTER = 5
"""Seconds."""
OnText = Callable[[str], None]
"""Is called with text as the model writes it."""


async def complete_chat(
    request: ChatCompletionRequest, state: State, on_text: OnText | None = None
) -> ChatCompletionResponse:
    """vLLM's answer to a request for one choice. With `on_text` it is followed as it is written.

    Raises `APIError`.
    """
    following = on_text is not None
    options = StreamOptions(include_usage=True) if following else None
    request = request.model_copy(update={"stream": following, "stream_options": options})
    chat = state.openai_serving_chat
    try:
        answer = await chat.create_chat_completion(request, _traced())
    except VLLMClientError as exc:  # as vLLM does around its own routes
        answer = chat.create_error_response(exc)
    if isinstance(answer, ErrorResponse):
        raise from_answer(answer.error.code, answer.model_dump_json().encode(), _RETRY_AFTER)
    if on_text is None:
        return cast("ChatCompletionResponse", answer)
    return await _followed(answer, on_text)


async def _followed(events: AsyncGenerator[str, None], on_text: OnText) -> ChatCompletionResponse:
    """The whole of an answer that vLLM gives as server-sent events."""
    text, tokens = "", []
    choice = ChatCompletionResponseChoice(index=0, message=ChatMessage(role="assistant"))
    usage, model = UsageInfo(), ""
    async with aclosing(events):
        async for event in events:
            data = event.removeprefix("data:").strip()
            if data == "[DONE]":
                break
            if data.startswith('{"error"'):
                code = ErrorResponse.model_validate_json(data).error.code
                raise from_answer(code, data.encode(), _RETRY_AFTER)
            chunk = ChatCompletionStreamResponse.model_validate_json(data)
            usage, model = chunk.usage or usage, chunk.model
            for part in chunk.choices:
                more = part.delta.content or ""
                text += more
                tokens += (part.logprobs.content if part.logprobs else None) or []
                if part.finish_reason:
                    choice.finish_reason = part.finish_reason
                    choice.stop_reason = part.stop_reason
                if more:
                    on_text(more)
    choice.message.content = text
    choice.logprobs = ChatCompletionLogProbs(content=tokens) if tokens else None
    return ChatCompletionResponse(model=model, choices=[choice], usage=usage)


def _traced() -> Request | None:
    """A request that holds nothing but its place in a trace, which is all that vLLM looks for."""
    headers = trace_headers()
    return Request({"type": "http", "headers": headers}) if headers else None
