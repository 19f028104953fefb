"""Answers of `POST /v1/chat/completions`, with how far they can be trusted.

An answer about one picture gets a member of its own, `qwen_ocr`, and headers. Callers of a stream
ask for log-probabilities and compute the same from them.
"""

from typing import cast

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from vllm.entrypoints.openai.chat_completion.api_router import (
    ENDPOINT_LOAD_METRICS_FORMAT_HEADER_LABEL,
    create_chat_completion,
)
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionRequest,
    ChatCompletionResponse,
)
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.entrypoints.serve.utils.api_utils import load_aware_call, with_cancellation
from vllm.entrypoints.serve.utils.orca_metrics import metrics_header

from qwen_ocr_serve.api import page_answers, page_reader
from qwen_ocr_serve.api.assessment import assess


async def answer_chat(request: ChatCompletionRequest, raw_request: Request) -> Response:
    """Answer as vLLM does; what is read of one image with how far it can be trusted.

    A page for a model that reads blocks of text is read in pieces, see `page_reader`.
    """
    data = await page_reader.page_of(request)
    if data is not None and request.stream:
        page = await page_reader.analyse_image(data)
        events = page_answers.answer_stream(request, raw_request.app.state, page)
        return StreamingResponse(events, media_type="text/event-stream")
    if data is not None:
        return cast("Response", await _read_page(request, raw_request, data))
    reads_one = not request.stream and (request.n or 1) == 1
    reads_one = reads_one and page_reader.image_part(request.messages) is not None
    handler = _read_one if reads_one else create_chat_completion
    return cast("Response", await handler(request, raw_request))


async def read_image(
    request: ChatCompletionRequest, raw_request: Request
) -> ChatCompletionResponse | ErrorResponse:
    """The answer about one image, in pieces if need be, with log-probabilities."""
    data = await page_reader.page_of(request)
    state = raw_request.app.state
    if data is not None:
        return await page_answers.answer_whole(
            request, state, await page_reader.analyse_image(data)
        )
    answer: ChatCompletionResponse | ErrorResponse
    answer = await state.openai_serving_chat.create_chat_completion(request, raw_request)
    return answer


@with_cancellation  # type: ignore[untyped-decorator]  # vLLM leaves it without types
async def _read_page(request: ChatCompletionRequest, raw_request: Request, data: bytes) -> Response:
    page = await page_reader.analyse_image(data)
    answer = await page_answers.answer_whole(request, raw_request.app.state, page)
    assessment = assess(answer.choices[0])
    if not request.logprobs:
        answer.choices[0].logprobs = None
    about = assessment.fields() | {"pieces": len(page.pieces), "turned": page.layout.turned}
    return JSONResponse(answer.model_dump() | {"qwen_ocr": about}, headers=assessment.headers)


@with_cancellation  # type: ignore[untyped-decorator]  # vLLM leaves both without types
@load_aware_call  # type: ignore[untyped-decorator]
async def _read_one(request: ChatCompletionRequest, raw_request: Request) -> Response:
    wanted = request.logprobs
    request.logprobs, request.top_logprobs = True, request.top_logprobs or 0
    answer = await raw_request.app.state.openai_serving_chat.create_chat_completion(
        request, raw_request
    )
    if isinstance(answer, ErrorResponse):
        return JSONResponse(answer.model_dump(), answer.error.code)
    assert isinstance(answer, ChatCompletionResponse), "not a streaming request"
    (choice,) = answer.choices
    assessment = assess(choice)
    if not wanted:
        choice.logprobs = None
    load = raw_request.headers.get(ENDPOINT_LOAD_METRICS_FORMAT_HEADER_LABEL, "")
    headers = {**(metrics_header(load) or {}), **assessment.headers}
    return JSONResponse(answer.model_dump() | {"qwen_ocr": assessment.fields()}, headers=headers)
