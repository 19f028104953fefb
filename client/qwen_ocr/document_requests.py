"""`POST /v1/ocr` of our server: what is sent to read a document, and what each answer means.

Pages come as server-sent events, one each, so that a long document neither waits for its last page
nor runs into a time limit.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from qwen_ocr.documents import Block, Box, Figure, Line, Page
from qwen_ocr.errors import ConfigurationError, OCRConnectionError, OCRError, ResponseError
from qwen_ocr.options import DocumentOptions
from qwen_ocr.page_ranges import parse_pages
from qwen_ocr.results import Word
from qwen_ocr.sources import Source, image_errors, is_remote, name_of, read_bytes


def build_document_request(source: Source, options: DocumentOptions) -> dict[str, Any]:
    """Arguments of the SDK's `post`: a form, or JSON for a URL, which the server fetches.

    Raises `ConfigurationError` for options that make no sense, `ImageError` for a file that cannot
    be read.
    """
    unknown = options.keys() - DocumentOptions.__annotations__.keys()
    if unknown:
        raise ConfigurationError(f"no such option: {', '.join(sorted(unknown))}")
    fields: dict[str, Any] = {
        "stream": True,
        "include_blocks": bool(options.get("blocks")),
        "include_image_base64": bool(options.get("figures")),
        "confidence_scores_granularity": "word" if options.get("confidence") else None,
        "pages": _server_pages(options.get("pages")),
        "text_layer": options.get("text_layer"),
        "password": options.get("password"),
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    if is_remote(source):
        document = {"type": "document_url", "document_url": source}
        return {"body": {**fields, "document": document}}
    name = name_of(source)
    with image_errors(name):
        data = read_bytes(source)
    form = {
        key: str(value).lower() if value is True or value is False else value
        for key, value in fields.items()
    }
    return {
        "body": form,
        "files": {"file": ("document", data, "application/octet-stream")},
        "options": {"headers": {"Content-Type": "multipart/form-data"}},
    }


def _server_pages(pages: str | Iterable[int] | None) -> str | None:
    """The server's way to write pages, which counts from 0."""
    if pages is None:
        return None
    return ",".join(
        f"{first - 1}" if first == last else f"{first - 1}-{'' if last is None else last - 1}"
        for first, last in parse_pages(pages)
    )


# The few fields that matter, of Mistral's interface and our additions to it.
class _Corners(BaseModel):
    top_left_x: int
    top_left_y: int
    bottom_right_x: int
    bottom_right_y: int

    @property
    def box(self) -> Box:
        return self.top_left_x, self.top_left_y, self.bottom_right_x, self.bottom_right_y


class _Line(BaseModel):
    text: str
    box: Box
    words: tuple[tuple[int, int], ...] = ()
    confidence: tuple[float, ...] = ()


class _Lines(BaseModel):
    lines: tuple[_Line, ...] = ()


class _Block(_Corners):
    type: str
    content: str
    qwen_ocr: _Lines = _Lines()


class _Image(_Corners):
    id: str
    image_base64: str | None = None


class _Dimensions(BaseModel):
    dpi: int
    width: int
    height: int


class _Word(BaseModel):
    text: str
    confidence: float


class _Scores(BaseModel):
    word_confidence_scores: tuple[_Word, ...] = ()


class _Error(BaseModel):
    code: str
    message: str


class _About(BaseModel):
    confidence: float | None = None
    warnings: tuple[str, ...] = ()
    turned: int = 0
    skew: float = 0.0
    text_layer: bool = False
    error: _Error | None = None


class _Page(BaseModel):
    index: int
    markdown: str
    dimensions: _Dimensions | None = None
    images: tuple[_Image, ...] = ()
    blocks: tuple[_Block, ...] = ()
    confidence_scores: _Scores = _Scores()
    qwen_ocr: _About = _About()


class PageReader:
    """Reads the events of one document."""

    def __init__(self) -> None:
        self._complete = False

    def feed(self, event: object) -> Page | None:
        """The page in an event; None for the last event, which has none.

        Raises `ResponseError` for what no OCR server sends.
        """
        if isinstance(event, Mapping) and "usage_info" in event:
            self._complete = True
            return None
        return _read_page(event)

    def finish(self) -> None:
        """Raise `OCRConnectionError` if the last event is missing."""
        if not self._complete:
            raise OCRConnectionError(
                "the connection ended in the middle of the document: see the server's log"
            )


def _read_page(event: object) -> Page:
    try:
        page = _Page.model_validate(event)
    except ValidationError as exc:
        raise ResponseError("the answer is not about a document: is this an OCR server?") from exc
    about, size = page.qwen_ocr, page.dimensions or _Dimensions(dpi=0, width=0, height=0)
    failure = about.error
    return Page(
        page.index + 1,
        page.markdown,
        size.width,
        size.height,
        size.dpi,
        tuple(
            Block(
                block.type,
                block.content,
                block.box,
                tuple(Line(o.text, o.box, o.words, o.confidence) for o in block.qwen_ocr.lines),
            )
            for block in page.blocks
        ),
        tuple(Figure(image.id, image.box, _decoded(image)) for image in page.images),
        tuple(Word(o.text, o.confidence) for o in page.confidence_scores.word_confidence_scores),
        about.confidence,
        about.warnings,
        about.turned,
        about.skew,
        about.text_layer,
        OCRError(f"page {page.index + 1}: {failure.message}", code=failure.code)
        if failure
        else None,
    )


def _decoded(image: _Image) -> bytes | None:
    if image.image_base64 is None:
        return None
    return base64.b64decode(image.image_base64.rpartition(",")[2])
