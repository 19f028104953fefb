"""One page through the client: its text, and where its lines are if that is wanted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Protocol

from PIL import Image

from qwen_ocr import documents
from qwen_ocr.async_client import AsyncOCRClient
from qwen_ocr.documents import Line
from qwen_ocr.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    NotFoundError,
    OCRConnectionError,
    OCRError,
    OverloadedError,
    ResponseError,
    SchemaError,
    ServerError,
    TruncatedError,
    UnsupportedTaskError,
)
from qwen_ocr.images import known_size, load_image
from qwen_ocr.options import ReadOptions
from qwen_ocr.results import OCRResult, TextBox
from qwen_ocr.settings import ClientSettings
from qwen_ocr.sources import Source
from qwen_ocr.spacing import join_row
from qwen_ocr_tools.batch.documents import Page, PageImage, PageImages
from qwen_ocr_tools.batch.server import check_any
from qwen_ocr_tools.exports.places import around

NOT_THE_PAGE = (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    ResponseError,
    UnsupportedTaskError,
)
"""What would fail for every page in the same way."""
PERHAPS_THE_SERVER = (OCRConnectionError, OverloadedError, ServerError)
"""What may be the page's fault, or the end of the server, which must not fail all other pages."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the lines of a page are."""

    lines: Sequence[TextBox | Line]
    size: tuple[int, int]
    """Width and height of the image that the boxes are measured in, in pixels."""
    turned: int = 0
    """Degrees by which that image was turned before, see `qwen_ocr.Page`."""
    skew: float = 0.0


@dataclass(slots=True)
class Job:
    """A page on its way through."""

    page: Page
    description: dict[str, Any] = field(default_factory=dict)
    """See `records.describe`."""
    layout: Layout | None = None
    """Comes with the text, if it was asked for and the model gives boxes."""


class PageReader(Protocol):
    """Where a batch has the text of its pages from."""

    def knows(self, job: Job) -> bool:
        """Whether it can say anything about this page; it is asked about each once."""

    async def read(self, job: Job) -> OCRResult:
        """The text of a page that it knows; its layout goes into the job. Raises `OCRError`."""

    async def check(self, error: OCRError) -> None:
        """Raise what stops the batch; return if the error is about one page."""

    def remarks(self) -> list[str]:
        """What to say at the end about what it was given."""


class Reader:
    """Reads pages through a client.

    Boxes are a second question about the same page: the prompt of the first stays the user's own,
    and a page whose boxes make no sense still has its text.
    """

    def __init__(
        self,
        client: AsyncOCRClient,
        images: PageImages,
        prompt: str,
        options: ReadOptions,
        *,
        locate: bool = False,
    ) -> None:
        self._client = client
        self._images = images
        self._prompt = prompt
        self._options = options
        self._locate = locate

    async def read(self, job: Job) -> OCRResult:
        """The text of a page; its layout goes into the job."""
        image = await self._images.get(job.page)
        result = await self._client.ocr(image, self._prompt, **self._options)
        if self._locate:
            job.layout = await self._find_lines(image, result.text)
        return result

    async def _find_lines(self, image: PageImage, text: str) -> Layout | None:
        try:
            lines = await self._client.locate(image)
        except UnsupportedTaskError:
            return await self._ask_for_blocks(image, text)
        except (SchemaError, TruncatedError):
            return None
        size = await asyncio.to_thread(lambda: known_size(load_image(image)).size)
        return Layout(lines, size)

    async def _ask_for_blocks(self, image: PageImage, text: str) -> Layout | None:
        """The lines that our server finds for models that do not; None where there are none."""
        file = await asyncio.to_thread(_as_file, image)
        try:
            document = await self._client.read_document(file, blocks=True)
        except (BadRequestError, ResponseError):  # another server, or not an image for it
            return None
        (page,) = document.pages
        lines = _lines_of(page, text)
        return Layout(lines, (page.width, page.height), page.turned, page.skew) if lines else None


def _lines_of(page: documents.Page, text: str) -> list[Line]:
    """A line for each row of a page.

    The same page, asked for twice, can be read in two ways: the lines say what `text` does, if it
    has as many.
    """
    rows = [row for block in page.blocks for row in block.rows]
    texts = [line for line in text.splitlines() if line.strip()]
    if len(rows) != len(texts):
        texts = [join_row((line.text, line.box) for line in row) for row in rows]
    return [
        Line(text, around([line.box for line in row]), tuple(w for line in row for w in line.words))
        for text, row in zip(texts, rows, strict=True)
    ]


def _as_file(image: PageImage) -> Source:
    """The file that an image is, or one made of it."""
    if not isinstance(image, Image.Image):
        return image
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


async def check_servers(error: OCRError, servers: Sequence[ClientSettings]) -> None:
    """Raise what would fail for every page; for what may be servers' fault, see `check_any`."""
    if isinstance(error, NOT_THE_PAGE):
        raise error
    if isinstance(error, PERHAPS_THE_SERVER):
        await asyncio.to_thread(check_any, servers)


class ServerReader(Reader):
    """Reads the pages of a batch, and looks after the servers when one fails."""

    def __init__(
        self,
        client: AsyncOCRClient,
        images: PageImages,
        prompt: str,
        options: ReadOptions,
        *,
        locate: bool,
        servers: Sequence[ClientSettings],
    ) -> None:
        super().__init__(client, images, prompt, options, locate=locate)
        self._servers = servers

    def knows(self, job: Job) -> bool:
        """Any page can be read."""
        return True

    async def check(self, error: OCRError) -> None:
        """See `check_servers`."""
        await check_servers(error, self._servers)

    def remarks(self) -> list[str]:
        """Nothing."""
        return []
