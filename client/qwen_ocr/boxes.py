"""Where text is: boxes from the model's coordinates to pixels of the original image."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from qwen_ocr.loose_json import read_json
from qwen_ocr.results import TextBox

MAX_SPOTS = 1000
"""Lines that a constrained answer may have; a page of a newspaper has some 600."""
_MAX_LINE = 1000
_MAX_PIXEL = 99_999
"""No image that a processor lets through has a longer side, see `MAX_ASPECT_RATIO`."""
_TEXTS = ("text_content", "text", "content", "label")
_BOXES = ("bbox_2d", "bbox", "box_2d", "box", "points", "polygon", "quad")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MOST_NUMBERS = 64


class Spot(NamedTuple):
    """A piece of text where the model says that it is."""

    text: str
    box: tuple[float, float, float, float]
    """Two opposite corners, in the model's own coordinates."""


def spot_schema(box_range: int | None) -> dict[str, Any]:
    """The JSON Schema of the answer to `Task.SPOT`, for a family with this `Family.box_range`.

    Everything in it has an end, so that no answer can run on.
    """
    edge = {"type": "integer", "minimum": 0, "maximum": box_range or _MAX_PIXEL}
    return {
        "type": "array",
        "maxItems": MAX_SPOTS,
        "items": {
            "type": "object",
            # The names of Qwen-VL's own prompt for it.
            "properties": {
                "bbox_2d": {"type": "array", "items": edge, "minItems": 4, "maxItems": 4},
                "text_content": {"type": "string", "maxLength": _MAX_LINE},
            },
            "required": ["bbox_2d", "text_content"],
            "additionalProperties": False,
        },
    }


def read_spots(text: str) -> list[Spot]:
    """What an answer to `Task.SPOT` says, however it is written; what is incomplete is left out.

    Models write fences, Python's quotes, other names for text and box, four corners for a box, or
    one object for a list. Raises `ValueError` for an answer without boxes.
    """
    value = read_json(text)
    items = _items(value)
    spots = [spot for item in items if (spot := _spot(item))]
    if not spots and value != []:
        raise ValueError("no boxes with text in the answer")
    return spots


def _items(value: Any) -> list[Any]:
    """The list in an answer: itself, one that an object holds, or one object on its own."""
    if isinstance(value, Mapping):
        lists = [part for part in value.values() if isinstance(part, list)]
        whole = [part for part in lists if part and isinstance(part[0], Mapping)]
        return whole[0] if whole else [value]
    return list(value)


def _spot(item: Any) -> Spot | None:
    if not isinstance(item, Mapping):
        return None
    text = next((item[name] for name in _TEXTS if isinstance(item.get(name), str)), None)
    box = next((box for name in _BOXES if (box := read_box(item.get(name)))), None)
    return None if text is None or box is None else Spot(text, box)


def read_box(value: Any) -> tuple[float, float, float, float] | None:
    """A box of four numbers, of corners as pairs or in a row, or of text with these numbers.

    None for anything else.
    """
    numbers = list(_numbers(value, 0))
    if not 4 <= len(numbers) <= _MOST_NUMBERS or len(numbers) % 2:
        return None
    across, down = numbers[::2], numbers[1::2]
    return min(across), min(down), max(across), max(down)


def _numbers(value: Any, depth: int) -> Iterator[float]:
    if isinstance(value, str):
        yield from map(float, _NUMBER.findall(value[:200]))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value
    elif isinstance(value, list | tuple) and depth < 3:
        for part in value[: _MOST_NUMBERS + 1]:
            yield from _numbers(part, depth + 1)


def to_pixels(
    spots: Iterable[Spot], size: tuple[int, int], scale: int | tuple[int, int]
) -> list[TextBox]:
    """The boxes in pixels of an image of `size` (width, height).

    `scale` is what the model counts to over the whole image: one number for both sides, or the size
    of the resized image that it saw. Edges beyond the image are moved to it.
    """
    return [TextBox(spot.text, pixels_of(spot.box, size, scale)) for spot in spots]


def pixels_of(
    box: tuple[float, float, float, float],
    size: tuple[int, int],
    scale: int | tuple[int, int],
) -> tuple[int, int, int, int]:
    """One box in pixels, as `to_pixels`."""
    across, down = (scale, scale) if isinstance(scale, int) else scale
    width, height = size

    def moved(value: float, full: int, pixels: int) -> int:
        share = min(max(value / full, 0.0), 1.0)
        return round(share * pixels)

    left, top, right, bottom = box
    return (
        moved(left, across, width),
        moved(top, down, height),
        moved(right, across, width),
        moved(bottom, down, height),
    )
