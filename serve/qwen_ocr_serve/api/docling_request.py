"""What is asked of docling-serve's routes, from a form or from JSON."""

from http import HTTPStatus
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Request
from pydantic import BaseModel, Field, ValidationError, field_validator
from starlette.datastructures import UploadFile

from qwen_ocr_serve.api import bounds
from qwen_ocr_serve.api.document_request import Document, Job, OCRRequest
from qwen_ocr_serve.api.page_reader import in_file, page_count
from qwen_ocr_serve.documents.files import DocumentFile
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.images.connector import load_bytes

_MOST_FIELDS = 200
"""Of a form. docling-serve has some 60 options, and sends lists as fields of one name."""
_LISTS = ("to_formats", "page_range")

Format = Literal["md", "text", "json"]
_PageNumber = Annotated[int, Field(ge=1)]


class ConvertOptions(BaseModel, extra="ignore"):
    """The options that change something here; docling-serve's others are about its own parts."""

    to_formats: list[Format] = Field(default=["md"], min_length=1)
    page_range: tuple[_PageNumber, _PageNumber] | None = Field(
        default=None, description="The first and the last page, from 1."
    )
    do_ocr: bool = Field(
        default=True, description="false takes the text that a PDF has, where it has one."
    )
    image_export_mode: Literal["placeholder", "embedded", "referenced"] = Field(
        default="placeholder", description="embedded puts pictures into the Markdown."
    )
    md_page_break_placeholder: str = Field(
        default="", max_length=1000, description="Put between the pages of the Markdown."
    )
    target_type: Literal["inbody"] = "inbody"

    @field_validator(*_LISTS, mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        """docling-serve takes one value for a list of one, and a list as text."""
        if not isinstance(value, list):
            value = [value]
        if len(value) == 1 and isinstance(value[0], str):
            return [part.strip() for part in value[0].strip("[]").split(",")]
        return value


class Source(BaseModel, extra="ignore"):
    """A document of `/v1/convert/source`."""

    kind: Literal["http", "file"]
    url: str | None = Field(default=None, description="Of `http`.")
    base64_string: str | None = Field(default=None, description="Of `file`.")
    filename: str | None = Field(default=None, description="Of `file`.")


class Target(BaseModel, extra="ignore"):
    """Where the answer goes."""

    kind: Literal["inbody"] = "inbody"


class SourcesRequest(BaseModel, extra="ignore"):
    """Body of `POST /v1/convert/source`."""

    sources: list[Source] = Field(min_length=1, max_length=1)
    options: ConvertOptions = ConvertOptions()
    target: Target = Target()


class Conversion(NamedTuple):
    """What is asked, and the open document, which has to be closed."""

    options: ConvertOptions
    filename: str
    job: Job


def _refused(message: str, param: str | None = None) -> APIError:
    """422, as docling-serve answers what it cannot make sense of."""
    return APIError(HTTPStatus.UNPROCESSABLE_ENTITY.value, "invalid_request", message, param)


def _fault(exc: ValidationError) -> APIError:
    fault = exc.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    return _refused(f"{where}: {fault['msg']}", where)


async def read_form(request: Request) -> Conversion:
    """The document and the options of a form. Raises `APIError`."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise _refused("send a form: curl -F files=@scan.pdf")
    async with request.form(max_files=8, max_fields=_MOST_FIELDS) as form:
        files = form.getlist("files")
        if len(files) != 1:
            raise _refused("files: send one document a request", "files")
        (file,) = files
        if not isinstance(file, UploadFile):
            raise _refused("files: send a file: curl -F files=@scan.pdf", "files")
        data = await file.read()
        name = file.filename or "document"
        given: dict[str, Any] = {
            key: form.getlist(key) if key in _LISTS else form[key]
            for key in form
            if key in ConvertOptions.model_fields
        }
    try:
        options = ConvertOptions.model_validate(given)
    except ValidationError as exc:
        raise _fault(exc) from exc
    return Conversion(options, name, await _job(options, data))


async def read_sources(request: Request) -> Conversion:
    """The document and the options in JSON. Raises `APIError`."""
    body = bounds.parse_json(await request.body())
    try:
        asked = SourcesRequest.model_validate(body)
    except ValidationError as exc:
        raise _fault(exc) from exc
    (source,) = asked.sources
    if source.kind == "http":
        if not source.url:
            raise _refused("sources.0.url is missing", "sources")
        url, name = source.url, source.url.partition("?")[0].rpartition("/")[2]
    else:
        if not source.base64_string:
            raise _refused("sources.0.base64_string is missing", "sources")
        url, name = f"data:;base64,{source.base64_string}", source.filename or ""
    return Conversion(
        asked.options, name or "document", await _job(asked.options, await load_bytes(url))
    )


async def _job(options: ConvertOptions, data: bytes) -> Job:
    """What the reader of `/v1/ocr` is asked. Raises `APIError`."""
    document = await in_file(data)
    try:
        pages = await _pages(options, document)
    except BaseException:
        document.close()
        raise
    asked = OCRRequest(
        document=Document(type="file"),
        pages=pages,
        include_blocks=bool({"text", "json"} & {*options.to_formats}),
        include_image_base64=options.image_export_mode == "embedded",
        text_layer="never" if options.do_ocr else "prefer",
    )
    return Job(asked, document)


async def _pages(options: ConvertOptions, document: DocumentFile) -> list[int] | None:
    """The numbers of the pages, from 0. The last of a range may be beyond the document's end."""
    if options.page_range is None:
        return None
    count = await page_count(document, None)
    first, last = options.page_range
    if not first <= min(last, count):
        message = f"page_range: there are no pages {first} to {last} of {count}"
        raise _refused(message, "page_range")
    return list(range(first - 1, min(last, count)))
