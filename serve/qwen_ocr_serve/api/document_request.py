"""What is asked of `POST /v1/ocr`, as Mistral's OCR service takes it, or as a form."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from itertools import islice
from typing import Any, Literal, NamedTuple

from fastapi import Request
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import UploadFile

from qwen_ocr_serve.api import bounds, files, tasks
from qwen_ocr_serve.api.page_reader import in_file
from qwen_ocr_serve.documents.files import DocumentFile
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.images.connector import load_bytes

MAX_PAGES = 1000
_PAGES = re.compile(r"\d{1,9}(-(\d{1,9})?)?(,\d{1,9}(-(\d{1,9})?)?)*", re.ASCII)
_FORMATS = ("bbox_annotation_format", "document_annotation_format")


class Document(BaseModel):
    """The document: an upload, a `data:` URL, or a URL of an allowed host."""

    type: Literal["document_url", "image_url", "file"]
    document_url: str | None = None
    image_url: str | dict[str, Any] | None = None
    file_id: str | None = None
    document_name: str | None = None

    def url(self) -> str:
        """Where the document is, if it is no upload. Raises `APIError` if it is nowhere."""
        given = self.document_url if self.type == "document_url" else self.image_url
        if isinstance(given, dict):
            given = given.get("url")
        if not isinstance(given, str) or not given:
            raise refused(f"document.{self.type} is missing", param="document")
        return given


class JSONSchema(BaseModel):
    """A schema with its name."""

    name: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None
    description: str | None = None


class AnnotationFormat(BaseModel):
    """The form of an answer about the document or a picture in it."""

    type: Literal["json_schema"]
    json_schema: JSONSchema


class OCRRequest(BaseModel, extra="forbid"):
    """Body of `POST /v1/ocr`. What is null counts as left out."""

    document: Document
    model: str | None = Field(default=None, description="Any name: one model is served.")
    id: str | None = None
    pages: list[int] | str | None = Field(
        default=None, description="From 0: [0, 2] or '0,2-4,7-'; all pages if left out."
    )
    include_blocks: bool = Field(default=False, description="Blocks with their boxes.")
    include_image_base64: bool = Field(
        default=False, description="The pictures on the pages, cut out, as JPEG files."
    )
    image_limit: int | None = Field(default=None, ge=0, description="Pictures of a page, at most.")
    image_min_size: int | None = Field(default=None, ge=0, description="In pixels.")
    confidence_scores_granularity: Literal["page", "block", "word"] | None = None
    table_format: Literal["markdown", "html"] | None = Field(
        default=None,
        description="Tables apart from the Markdown, which links to them, in this format; within "
        "the Markdown if left out.",
    )
    extract_header: bool = Field(default=False, description="Headers apart from the Markdown.")
    extract_footer: bool = Field(default=False, description="Footers apart from the Markdown.")
    document_annotation_format: AnnotationFormat | None = Field(
        default=None, description="Fields to be filled from the text, as a JSON Schema."
    )
    document_annotation_prompt: str | None = Field(
        default=None, max_length=bounds.MAX_TEXT, description="What to look for, in words."
    )
    bbox_annotation_format: AnnotationFormat | None = Field(
        default=None, description="The same for each picture."
    )
    stream: bool = Field(default=False, description="Server-sent events, a page each.")
    stream_text: bool = Field(
        default=False, description="With `stream`: also the text of each page as it is read."
    )
    text_layer: Literal["never", "prefer"] = Field(
        default="never",
        description="`prefer` takes the text of pages that a program has made from the PDF itself.",
    )
    password: str | None = Field(default=None, description="Of an encrypted PDF.")


class Job(NamedTuple):
    """What is asked of the route, whatever form it came in."""

    request: OCRRequest
    document: DocumentFile


def refused(message: str, code: str = "invalid_request", param: str | None = None) -> APIError:
    """400."""
    return APIError(HTTPStatus.BAD_REQUEST.value, code, message, param)


async def read_job(request: Request) -> Job:
    """The document and what is asked about it, from JSON or from a form. Raises `APIError`.

    The document is open and has to be closed.
    """
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_files=1, max_fields=20) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise refused("send a file: curl -F file=@scan.pdf", param="file")
            data = await file.read()
            fields = {name: value for name, value in form.items() if name != "file"}
        url: dict[str, object] = {"type": "document_url", "document_url": "file"}
        for name in _FORMATS:
            if isinstance(text := fields.get(name), str):
                fields[name] = bounds.parse_json(text.encode())
        return Job(_validated({**fields, "document": url}), await in_file(data))
    body = bounds.parse_json(await request.body())
    if not isinstance(body, dict):
        raise refused("the body is not a JSON object")
    asked = _validated(body)
    return Job(asked, await _open(request, asked.document))


async def _open(request: Request, document: Document) -> DocumentFile:
    if document.type == "file":
        if not document.file_id:
            raise refused("document.file_id is missing", param="document")
        return await files.open_upload(request, document.file_id)
    url = document.url()
    return await files.open_signed(url) or await in_file(await load_bytes(url))


def _validated(fields: dict[str, Any]) -> OCRRequest:
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        request = OCRRequest.model_validate(given)
    except ValidationError as exc:
        fault = exc.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        code = "unsupported_parameter" if fault["type"] == "extra_forbidden" else "invalid_request"
        raise refused(f"{where}: {fault['msg']}", code, where) from exc
    for name in _FORMATS:
        if name in given:
            form = {"response_format": given[name], "messages": []}
            bounds.check_chat(form)
            tasks.refuse_request(form)
    return request


def page_numbers(pages: list[int] | str | None, count: int) -> list[int]:
    """The pages that are asked for, from 0. Raises `APIError` for those that are not there."""
    if pages is None:
        numbers = list(range(count))
    elif isinstance(pages, list):
        numbers = pages
    elif _PAGES.fullmatch(pages.replace(" ", "")):
        asked = (number for part in pages.split(",") for number in _span(part, count))
        numbers = list(islice(asked, MAX_PAGES + 1))
    else:
        raise refused("pages: write a list, or text such as '0,2-4'", param="pages")
    for number in numbers:
        if not 0 <= number < count:
            message = f"pages: there is no page {number} among {count}; the first one is 0"
            raise refused(message, param="pages")
    if not numbers:
        raise refused("pages: name at least one", param="pages")
    if len(numbers) > MAX_PAGES:
        message = f"more than {MAX_PAGES:,} pages: name some with pages"
        raise refused(message, "too_many_pages", "pages")
    return numbers


def _span(part: str, count: int) -> Iterator[int]:
    first, dash, last = part.strip().partition("-")
    start, end = int(first), int(last) if last else count - 1 if dash else int(first)
    if last and end < start:
        raise refused(f"pages: {part.strip()} ends before it begins", param="pages")
    # No further than one page beyond the end, which is refused: numbers may be of any size.
    yield from range(start, max(start, min(end, count)) + 1)
