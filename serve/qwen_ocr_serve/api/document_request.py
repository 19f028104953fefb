"""What is asked of `POST /v1/ocr`, as Mistral's OCR service takes it, or as a form."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Literal

from fastapi import Request
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import UploadFile

from qwen_ocr_serve.api.bounds import parse_json
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.images.connector import load_bytes

MAX_PAGES = 1000
_PAGES = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_WITHOUT = ("bbox_annotation_format", "document_annotation_format", "document_annotation_prompt")


class Document(BaseModel):
    """The document: a `data:` URL, or one of an allowed host."""

    type: Literal["document_url", "image_url"]
    document_url: str | None = None
    image_url: str | dict[str, Any] | None = None
    document_name: str | None = None

    def url(self) -> str:
        """Where the document is. Raises `ValueError` if it is nowhere."""
        given = self.document_url if self.type == "document_url" else self.image_url
        if isinstance(given, dict):
            given = given.get("url")
        if not isinstance(given, str) or not given:
            raise ValueError(f"document.{self.type} is missing")
        return given


class OCRRequest(BaseModel, extra="forbid"):
    """Body of `POST /v1/ocr`. What is null counts as left out."""

    document: Document
    model: str | None = Field(default=None, description="Any name: one model is served.")
    id: str | None = None
    pages: list[int] | str | None = Field(
        default=None, description="From 0: [0, 2] or '0,2-4'; all pages if left out."
    )
    include_blocks: bool | None = Field(default=None, description="Blocks with their boxes.")
    include_image_base64: bool | None = Field(
        default=None, description="Accepted; pictures are named with their boxes, without pixels."
    )
    image_limit: int | None = Field(default=None, ge=0)
    image_min_size: int | None = Field(default=None, ge=0, description="In pixels.")
    confidence_scores_granularity: Literal["page", "word"] | None = None
    table_format: Literal["markdown", "html"] | None = None
    stream: bool | None = Field(default=None, description="Server-sent events, a page each.")


class Job(BaseModel):
    """What is asked of the route, whatever form it came in."""

    request: OCRRequest
    data: bytes


def _refused(message: str, code: str = "invalid_request", param: str | None = None) -> APIError:
    return APIError(HTTPStatus.BAD_REQUEST.value, code, message, param)


async def read_job(request: Request) -> Job:
    """The document and what is asked about it, from JSON or from a form. Raises `APIError`."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_files=1, max_fields=12) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise _refused("send a file: curl -F file=@scan.pdf", param="file")
            data = await file.read()
            fields = {name: value for name, value in form.items() if name != "file"}
        url: dict[str, object] = {"type": "document_url", "document_url": "file"}
        return Job(request=_validated({**fields, "document": url}), data=data)
    body = parse_json(await request.body())
    if not isinstance(body, dict):
        raise _refused("the body is not a JSON object")
    asked = _validated(body)
    try:
        where = asked.document.url()
    except ValueError as exc:
        raise _refused(str(exc), param="document") from exc
    return Job(request=asked, data=await load_bytes(where))


def _validated(fields: dict[str, Any]) -> OCRRequest:
    given = {name: value for name, value in fields.items() if value is not None}
    for name in _WITHOUT:
        if name in given:
            raise _refused(f"{name} is not supported", "unsupported_parameter", name)
    try:
        return OCRRequest.model_validate(given)
    except ValidationError as exc:
        fault = exc.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        code = "unsupported_parameter" if fault["type"] == "extra_forbidden" else "invalid_request"
        raise _refused(f"{where}: {fault['msg']}", code, where) from exc


def page_numbers(pages: list[int] | str | None, count: int) -> list[int]:
    """The pages that are asked for, from 0. Raises `APIError` for those that are not there."""
    if pages is None:
        numbers = list(range(count))
    elif isinstance(pages, list):
        numbers = pages
    elif _PAGES.fullmatch(pages.replace(" ", "")):
        numbers = [number for part in pages.split(",") for number in _span(part, count)]
    else:
        raise _refused("pages: write a list, or text such as '0,2-4'", param="pages")
    for number in numbers:
        if not 0 <= number < count:
            message = f"pages: there is no page {number} among {count}; the first one is 0"
            raise _refused(message, param="pages")
    if not numbers:
        raise _refused("pages: name at least one", param="pages")
    if len(numbers) > MAX_PAGES:
        message = f"{len(numbers):,} pages, at most {MAX_PAGES:,}: name some with pages"
        raise _refused(message, "too_many_pages", "pages")
    return numbers


def _span(part: str, count: int) -> Iterator[int]:
    first, _, last = part.strip().partition("-")
    start = int(first)
    # No further than one page beyond the end, which is refused: numbers may be of any size.
    yield from range(start, max(start, min(int(last or first), count)) + 1)
