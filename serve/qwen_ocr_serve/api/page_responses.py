"""Pages that are read in pieces, in the form of the Responses API, whole or streamed."""

import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Literal, cast

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from openai.types.responses import ResponseOutputMessage, ResponseOutputText
from openai.types.responses.response_output_text import Logprob, LogprobTopLogprob
from starlette.datastructures import State
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionLogProbsContent,
    ChatCompletionRequest,
)
from vllm.entrypoints.openai.responses.protocol import (
    InputTokensDetails,
    OutputTokensDetails,
    ResponseCompletedEvent,
    ResponseCreatedEvent,
    ResponseInProgressEvent,
    ResponsesRequest,
    ResponsesResponse,
    ResponseUsage,
)
from vllm.entrypoints.openai.responses.streaming_events import (
    SimpleStreamingState,
    emit_simple_content_delta,
    emit_simple_content_done,
    emit_simple_content_open,
)
from vllm.entrypoints.serve.engine.protocol import UsageInfo
from vllm.entrypoints.serve.utils.api_utils import with_cancellation

from qwen_ocr_serve.api import page_answers, page_reader
from qwen_ocr_serve.api.assessment import assess
from qwen_ocr_serve.documents.workers import AnalysedPage
from qwen_ocr_serve.http.errors import APIError, internal_error

_SAME = ("model", "request_id", "temperature", "top_p", "top_k", "min_p", "seed", "stop")
"""Fields of a request that are the same for a chat."""


async def answer_page(request: ResponsesRequest, raw_request: Request) -> Response | None:
    """The answer about a page that the served model can read in pieces only; None for anything
    else. Raises `APIError`."""
    chat = _chat_of(request)
    data = await page_reader.page_of(chat) if chat else None
    if chat is None or data is None:
        return None
    if request.stream:
        page = await page_reader.analyse_image(data)
        events = _stream(request, chat, raw_request.app.state, page)
        return StreamingResponse(events, media_type="text/event-stream")
    return cast("Response", await _answer_whole(request, raw_request, chat, data))


def _chat_of(request: ResponsesRequest) -> ChatCompletionRequest | None:
    """The same request as a chat; None if it is no conversation of texts and images."""
    messages: list[dict[str, Any]] = []
    if request.instructions:
        messages.append({"role": "system", "content": request.instructions})
    for item in request.input if isinstance(request.input, list) else ():
        message: Any = item if isinstance(item, Mapping) else {}
        content = message.get("content")
        if isinstance(content, list):
            content = [_part_of(part) for part in content]
        elif not isinstance(content, str):  # a call of a function, or what came of one
            return None
        messages.append({"role": message["role"], "content": content})
    if page_reader.image_part(messages) is None:
        return None
    logprobs = request.is_include_output_logprobs()
    return ChatCompletionRequest.model_validate(
        {
            "messages": messages,
            "max_completion_tokens": request.max_output_tokens,
            "logprobs": logprobs,
            "top_logprobs": request.top_logprobs if logprobs else None,
            **{name: getattr(request, name) for name in _SAME},
        }
    )


def _part_of(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] == "input_image":
        return {"type": "image_url", "image_url": {"url": part.get("image_url")}}
    return {"type": "text", "text": part.get("text")}


@with_cancellation  # type: ignore[untyped-decorator]  # vLLM leaves it without types
async def _answer_whole(
    request: ResponsesRequest, raw_request: Request, chat: ChatCompletionRequest, data: bytes
) -> Response:
    state = raw_request.app.state
    page = await page_reader.analyse_image(data)
    answer = await page_answers.answer_whole(chat, state, page)
    (choice,) = answer.choices
    tokens = (choice.logprobs.content if choice.logprobs else None) or []
    message = ResponseOutputMessage(
        id=f"msg_{request.request_id.removeprefix('resp_')}",
        type="message",
        role="assistant",
        status="completed",
        content=[
            ResponseOutputText(
                type="output_text",
                text=choice.message.content or "",
                annotations=[],
                logprobs=_logprobs(tokens) if chat.logprobs else None,
            )
        ],
    )
    response = _response(
        request, state, answer.created, [message], answer.usage, choice.finish_reason
    )
    assessment = assess(choice)
    about = assessment.fields() | {"pieces": len(page.pieces), "turned": page.layout.turned}
    body = response.model_dump(mode="json", by_alias=True) | {"qwen_ocr": about}
    return JSONResponse(body, headers=assessment.headers)


async def _stream(
    request: ResponsesRequest, chat: ChatCompletionRequest, state: State, page: AnalysedPage
) -> AsyncIterator[str]:
    """Server-sent events as vLLM sends them; the text of a piece in each."""
    created, number = int(time.time()), 0
    progress = page_answers.Progress(chat)
    message = SimpleStreamingState()

    def sent(events: Iterable[Any]) -> str:
        nonlocal number
        lines = []
        for event in events:
            event.sequence_number = number
            number += 1
            text = event.model_dump_json(indent=None, by_alias=True)
            lines.append(f"event: {event.type}\ndata: {text}\n\n")
        return "".join(lines)

    begun = _response(request, state, created, []).model_dump(mode="json", by_alias=True)
    numbered: dict[str, Any] = {"sequence_number": 0, "response": begun}
    yield sent(
        [
            ResponseCreatedEvent(type="response.created", **numbered),
            ResponseInProgressEvent(type="response.in_progress", **numbered),
            *emit_simple_content_open(message),
        ]
    )
    try:
        async with aclosing(page_answers.follow(chat, state, page, progress)) as parts:
            async for text, tokens in parts:
                logprobs = _logprobs(tokens) if chat.logprobs else None
                yield sent(emit_simple_content_delta(message, text, logprobs))
    except Exception as exc:  # noqa: BLE001  # half an answer: an event is all that can tell
        error = exc if isinstance(exc, APIError) else internal_error()
        body = {"type": "error", "sequence_number": number, "code": error.code}
        body |= {"message": error.message, "param": error.param}
        yield f"event: error\ndata: {json.dumps(body)}\n\n"
        return
    done: list[Any] = emit_simple_content_done(message)
    output, reason = [done[-1].item], progress.finish_reason
    ended = _response(request, state, created, output, progress.usage, reason)
    completed = ResponseCompletedEvent(type="response.completed", sequence_number=0, response=ended)
    yield sent([*done, completed])


def _response(
    request: ResponsesRequest,
    state: State,
    created: int,
    output: list[Any],
    usage: UsageInfo | None = None,
    finish_reason: str | None = None,
) -> ResponsesResponse:
    """The answer so far; with a `finish_reason` when no more will come."""
    vllm = state.openai_serving_responses
    sampling = request.to_sampling_params(
        vllm.model_config.max_model_len, vllm.default_sampling_params
    )
    status: Literal["in_progress", "incomplete", "completed"] = "in_progress"
    if finish_reason is not None:
        status = "incomplete" if finish_reason == "length" else "completed"
    return ResponsesResponse.from_request(
        request,
        sampling,
        model_name=page_answers.model_name(state),
        created_time=created,
        output=output,
        status=status,
        usage=_usage(usage) if usage else None,
    )


def _usage(usage: UsageInfo) -> ResponseUsage:
    return ResponseUsage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
        output_tokens=usage.completion_tokens or 0,
        output_tokens_details=OutputTokensDetails(),
        total_tokens=usage.total_tokens,
    )


def _logprobs(tokens: Iterable[ChatCompletionLogProbsContent]) -> list[Logprob]:
    return [
        Logprob(
            token=token.token,
            bytes=token.bytes or [],
            logprob=token.logprob,
            top_logprobs=[
                LogprobTopLogprob(token=top.token, bytes=top.bytes or [], logprob=top.logprob)
                for top in token.top_logprobs
            ],
        )
        for token in tokens
    ]
