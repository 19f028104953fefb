"""Where text is: boxes from the model's coordinates to pixels of the original image."""

from typing import Annotated

from pydantic import BaseModel, Field, RootModel

from qwen_ocr.results import TextBox


class _Spot(BaseModel):
    # The names of Qwen-VL's own prompt for it.
    bbox_2d: Annotated[list[int], Field(min_length=4, max_length=4)]
    text_content: str


class SpottedText(RootModel[list[_Spot]]):
    """The answer to `Task.SPOT`."""


def to_pixels(
    spotted: SpottedText, size: tuple[int, int], scale: int | tuple[int, int]
) -> list[TextBox]:
    """The boxes in pixels of an image of `size` (width, height).

    `scale` is what the model counts to over the whole image: one number for both sides, or the size
    of the resized image that it saw. Edges beyond the image are moved to it, crossed ones swapped.
    """
    width, height = size
    across, down = (scale, scale) if isinstance(scale, int) else scale

    def ordered(first: int, second: int, full: int, pixels: int) -> tuple[int, int]:
        low, high = sorted(min(max(round(v * pixels / full), 0), pixels) for v in (first, second))
        return low, high

    boxes = []
    for spot in spotted.root:
        x1, y1, x2, y2 = spot.bbox_2d
        left, right = ordered(x1, x2, across, width)
        top, bottom = ordered(y1, y2, down, height)
        boxes.append(TextBox(spot.text_content, (left, top, right, bottom)))
    return boxes
