"""`POST /v1/convert/file` and `/v1/convert/source`: the interface of docling-serve.

Follows `docs/usage.md` of docling-serve, and what Open WebUI's and Haystack's clients send.
"""

import time
from contextlib import closing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from vllm.entrypoints.serve.utils.api_utils import with_cancellation

from qwen_ocr_serve.api.docling_document import docling_document, joined_markdown, plain_text
from qwen_ocr_serve.api.docling_request import (
    Conversion,
    ConvertOptions,
    SourcesRequest,
    read_form,
    read_sources,
)
from qwen_ocr_serve.api.documents import DocumentReader
from qwen_ocr_serve.http.routes import POST, Route

ROUTES = tuple(
    Route(path, POST, api_key_header=True, limited=True, error_format="detail")
    for path in ("/v1/convert/file", "/v1/convert/source")
)

router = APIRouter(tags=["Documents"])


class Exported(BaseModel):
    """The document in the formats that were asked for; null in others."""

    filename: str
    md_content: str | None = None
    json_content: dict[str, Any] | None = Field(default=None, description="A DoclingDocument.")
    html_content: str | None = None
    text_content: str | None = None
    doctags_content: str | None = None


class ConversionError(BaseModel):
    """Why a page could not be read."""

    component_type: str = "pipeline"
    module_name: str = "qwen_ocr"
    error_message: str


class Converted(BaseModel):
    """Answer of both routes."""

    document: Exported
    status: Literal["success", "partial_success", "failure"]
    errors: list[ConversionError]
    processing_time: float = Field(description="Seconds.")
    timings: dict[str, Any] = {}


def _form_fields() -> dict[str, Any]:
    file = {"type": "string", "format": "binary", "description": "The document, one a request."}
    fields = ConvertOptions.model_json_schema()["properties"]
    return {"type": "object", "required": ["files"], "properties": {"files": file, **fields}}


@router.post(
    ROUTES[0].path,
    summary="Read an uploaded document, as docling serve does",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": _form_fields()}},
        }
    },
)
@with_cancellation  # type: ignore[untyped-decorator]  # vLLM leaves it without types
async def convert_file(
    conversion: Annotated[Conversion, Depends(read_form)], raw_request: Request
) -> Converted:
    """Read a document that comes in a form. Options about docling's own parts change nothing."""
    return await _convert(conversion, raw_request)


@router.post(
    ROUTES[1].path,
    summary="Read a document from base64 or a URL, as docling serve does",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": SourcesRequest.model_json_schema()}},
        }
    },
)
@with_cancellation  # type: ignore[untyped-decorator]  # vLLM leaves it without types
async def convert_source(
    conversion: Annotated[Conversion, Depends(read_sources)], raw_request: Request
) -> Converted:
    """Read a document that comes in base64 or is fetched from an allowed host."""
    return await _convert(conversion, raw_request)


async def _convert(conversion: Conversion, request: Request) -> Converted:
    started = time.monotonic()
    options, name = conversion.options, conversion.filename
    with closing(conversion.job.document):
        reader = await DocumentReader.of(conversion.job, request.app.state)
        pages = [page async for page in reader.pages()]
    failed = [page for page in pages if "error" in page["qwen_ocr"]]
    status: Literal["success", "partial_success", "failure"] = "success"
    if failed:
        status = "failure" if len(failed) == len(pages) else "partial_success"
    exported = Exported(filename=name)
    if "md" in options.to_formats:
        embedded = options.image_export_mode == "embedded"
        placeholder = options.md_page_break_placeholder
        exported.md_content = joined_markdown(pages, placeholder, embedded=embedded)
    if "text" in options.to_formats:
        exported.text_content = plain_text(pages)
    if "json" in options.to_formats:
        exported.json_content = docling_document(pages, name)
    return Converted(
        document=exported,
        status=status,
        errors=[
            ConversionError(
                error_message=f"page {page['index'] + 1}: {page['qwen_ocr']['error']['message']}"
            )
            for page in failed
        ],
        processing_time=time.monotonic() - started,
    )
