"""Answers of `POST /v1/chat/completions`, with how far they can be trusted.

An answer about one picture gets a member of its own, `qwen_ocr`, and headers. Callers of a stream
ask for log-probabilities and compute the same from them.
"""

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
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

from qwen_ocr_serve.api.assessment import assess

_IMAGES = frozenset({"image_url", "input_image"})


async def answer_chat(request: ChatCompletionRequest, raw_request: Request) -> Response:
    """Answer as vLLM does; what is read of one image with how far it can be trusted."""
    reads_one = not request.stream and (request.n or 1) == 1 and _images(request) == 1
    answer: Response = await (_read_one if reads_one else create_chat_completion)(
        request, raw_request
    )
    return answer


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


def _images(request: ChatCompletionRequest) -> int:
    parts: list[Any] = []
    for message in request.messages:
        content = message.get("content")
        parts += content if isinstance(content, list) else []
    return sum(
        isinstance(part, dict) and not _IMAGES.isdisjoint({part.get("type"), *part})
        for part in parts
    )
