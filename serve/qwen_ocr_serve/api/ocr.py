"""`POST /api/v1/ocr`, the interface of the service that this one replaces.

Its requests go, in the same process, through the handler that answers `/v1/chat/completions`, so
they are validated, scheduled, limited and measured like all others.
"""

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, ValidationError
from starlette.datastructures import UploadFile
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionRequest,
    ChatCompletionResponse,
)
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.entrypoints.serve.utils.api_utils import with_cancellation

from qwen_ocr import DEFAULT_PROMPT, WARNINGS
from qwen_ocr.requests import build_request, wire_body
from qwen_ocr_serve.api import answers, tasks
from qwen_ocr_serve.api import chat as chat_api
from qwen_ocr_serve.api.assessment import Assessment, assess
from qwen_ocr_serve.api.bounds import MAX_TEXT, parse_json
from qwen_ocr_serve.api.openapi import ERRORS
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.http.routes import POST, Route

NotBlank = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class OCRRequest(BaseModel):
    """Body of `POST /api/v1/ocr`."""

    image: NotBlank = Field(description="The image, base64, with or without a data: prefix.")
    text: NotBlank = Field(max_length=MAX_TEXT, description="The prompt.")


class OCREnvelope(BaseModel):
    """Every answer of `POST /api/v1/ocr`, failures included."""

    success: bool
    data: list[str] = Field(description="One string, the text; empty after a failure.")
    message: str = Field(description="What went wrong, or why the text is not to be trusted.")
    timestamp: AwareDatetime
    request_id: str
    code: str | None = Field(default=None, description="What went wrong, as a word for programs.")
    confidence: float | None = Field(
        default=None, description="How sure the model is of the text, 0 to 1; null without words."
    )
    warnings: list[str] = Field(
        default=[], description=f"Why the text is doubtful: {', '.join(WARNINGS)}."
    )


_INCOMPLETE = {
    "length": "incomplete: the longest answer that is allowed was reached before the text ended",
    "repetition": "incomplete: stopped because the text began to repeat itself",
}
_UPLOAD = {
    "type": "object",
    "required": ["image"],
    "properties": {
        "image": {"type": "string", "format": "binary", "description": "The image's file."},
        "text": {"type": "string", "description": "The prompt; reads all text if left out."},
    },
}

ROUTES = (Route("/api/v1/ocr", POST, limited=True, error_format="envelope"),)
router = APIRouter(tags=["One image"])


def _unprocessable(where: str, message: str, code: str = "invalid_request") -> APIError:
    words = f"{where}: {message}" if where else message
    return APIError(HTTPStatus.UNPROCESSABLE_ENTITY.value, code, words, where or None)


async def _from_json(request: Request) -> OCRRequest:
    try:
        return OCRRequest.model_validate(parse_json(await request.body()))
    except APIError as error:
        raise replace(error, status=HTTPStatus.UNPROCESSABLE_ENTITY.value) from None
    except ValidationError as exc:
        fault = exc.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise _unprocessable(where, fault["msg"]) from exc


async def _from_form(request: Request) -> OCRRequest:
    async with request.form(max_files=1, max_fields=1) as form:
        image, text = form.get("image"), form.get("text", DEFAULT_PROMPT)
        if not isinstance(image, UploadFile):
            raise _unprocessable("image", "send a file: curl -F image=@scan.png")
        if not isinstance(text, str) or not text.strip():
            raise _unprocessable("text", "the prompt is empty", "empty_prompt")
        if len(text) > MAX_TEXT:
            raise _unprocessable("text", f"the prompt has more than {MAX_TEXT:,} characters")
        data = await image.read()
        return OCRRequest.model_construct(image=base64.b64encode(data).decode(), text=text)


async def read_body(request: Request) -> OCRRequest:
    """The request, from JSON or from a form. Raises 422 for what misses something."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _from_form(request)
    return await _from_json(request)


def _url(image: str) -> str:
    """The image as vLLM wants it. Line breaks, which most encoders insert, are dropped.

    The media type is not looked at: what the bytes are is decided when they are decoded.
    """
    if "://" in image[:8]:
        return image  # refused, or fetched, by the same rules as everywhere
    encoded = image.partition(",")[2] if image.startswith("data:") else image
    return "data:image/png;base64," + "".join(encoded.split())


@router.post(
    ROUTES[0].path,
    summary="Read one image",
    response_model=None,
    responses={
        status.value: {"model": OCREnvelope, "content": {"text/plain": {}}}
        for status in (HTTPStatus.OK, *ERRORS)
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": OCRRequest.model_json_schema()},
                "multipart/form-data": {"schema": _UPLOAD},
            },
        }
    },
)
@with_cancellation  # type: ignore[untyped-decorator]  # vLLM leaves it without types
async def read_image(
    body: Annotated[OCRRequest, Depends(read_body)], raw_request: Request
) -> Response:
    """Read the text of one image. With `Accept: text/plain`, the answer is the text alone.

    `X-Confidence` and `X-Warnings` tell in both forms how far it can be trusted.
    """
    tasks.refuse_prompt(body.text, HTTPStatus.UNPROCESSABLE_ENTITY)
    state = raw_request.app.state
    model: str = state.openai_serving_models.base_model_paths[0].name
    profile = answers.profile()
    chat = wire_body(build_request(model, _url(body.image), body.text, profile=profile))
    answer = await chat_api.read_image(ChatCompletionRequest.model_validate(chat), raw_request)
    if isinstance(answer, ErrorResponse):
        return JSONResponse(answer.model_dump(), answer.error.code)
    assert isinstance(answer, ChatCompletionResponse), "not a streaming request"
    choice = answer.choices[0]
    reason = choice.finish_reason or ""
    text = answers.parsed(choice.message.content or "", body.text).markdown
    assessment = assess(choice)
    headers = {"X-Finish-Reason": reason, **assessment.headers}
    if raw_request.headers.get("accept", "").startswith("text/plain"):
        return PlainTextResponse(text + "\n", headers=headers)
    envelope = OCREnvelope(
        success=True,
        data=[text],
        message="; ".join(_doubts(reason, assessment)),
        timestamp=datetime.now(UTC),
        request_id=raw_request.headers["x-request-id"],  # which the middleware has put there
        confidence=assessment.confidence,
        warnings=list(assessment.warnings),
    )
    return JSONResponse(envelope.model_dump(mode="json", exclude={"code"}), headers=headers)


def _doubts(reason: str, assessment: Assessment) -> Iterator[str]:
    if reason in _INCOMPLETE:
        yield _INCOMPLETE[reason]
    yield from (WARNINGS[code] for code in assessment.warnings)
