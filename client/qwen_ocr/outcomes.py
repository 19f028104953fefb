"""What becomes of many images, of which some can fail."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from qwen_ocr.errors import OCRError
from qwen_ocr.results import OCRResult

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item]):
    """What became of one of many: either a result or the error in its place."""

    index: int
    """Its place in the input, from 0."""
    input: Item
    """What was given: an image, or the number of a page."""
    result: OCRResult | None = None
    error: OCRError | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The pages that were read of a document; `str(document)` is its text."""

    pages: tuple[Outcome[int], ...]
    """In order; `input` is the page's number, from 1."""

    @property
    def text(self) -> str:
        """The text of all pages that could be read, with an empty line between them."""
        return "\n\n".join(page.result.text for page in self.pages if page.result)

    @property
    def failed(self) -> tuple[Outcome[int], ...]:
        """The pages that could not be read: their text is missing above."""
        return tuple(page for page in self.pages if page.error)

    @property
    def flagged(self) -> tuple[Outcome[int], ...]:
        """The pages that were read and whose results have `warnings`."""
        return tuple(page for page in self.pages if page.result and page.result.warnings)

    def __str__(self) -> str:
        return self.text
