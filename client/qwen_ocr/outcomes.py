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
