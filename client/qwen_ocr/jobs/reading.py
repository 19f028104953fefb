"""One page through the client: its text, and where its lines are if that is wanted."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from qwen_ocr.async_client import AsyncOCRClient
from qwen_ocr.errors import SchemaError, TruncatedError
from qwen_ocr.families import family_of
from qwen_ocr.images import ImageInput, known_size, load_image
from qwen_ocr.jobs.documents import Page, PageImages
from qwen_ocr.options import ReadOptions
from qwen_ocr.results import OCRResult, TextBox


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the lines of a page are."""

    lines: list[TextBox]
    size: tuple[int, int]
    """Width and height of the image that the boxes are measured in, in pixels."""


@dataclass(slots=True)
class Job:
    """A page on its way through."""

    page: Page
    description: dict[str, Any] = field(default_factory=dict)
    """See `records.describe`."""
    layout: Layout | None = None
    """Comes with the text, if it was asked for and the model gives boxes."""


class Reader:
    """Reads pages for `run_many_async`.

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
        if self._locate and family_of(result.model).locates:
            job.layout = await self._find_lines(image)
        return result

    async def _find_lines(self, image: ImageInput) -> Layout | None:
        try:
            lines = await self._client.locate(image)
        except (SchemaError, TruncatedError):
            return None
        size = await asyncio.to_thread(lambda: known_size(load_image(image)).size)
        return Layout(lines, size)
