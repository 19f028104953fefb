"""Pictures among the blocks of a page."""

from collections.abc import Iterable

from qwen_ocr_serve.documents.layout import Block
from qwen_ocr_serve.documents.lines import Box

_SIDE = 0.04
"""Part of the page's shorter side below which a picture is a speck."""
_WHOLE = 0.9
"""Part of the page from which on a picture is its background."""


def insert_figures(
    blocks: list[Block], pictures: Iterable[Box], size: tuple[int, int]
) -> list[Block]:
    """The blocks with the pictures where they are read: before the first block that is below the
    top of the picture and not beside it."""
    least = _SIDE * min(size)
    result = list(blocks)
    for box in _united(pictures):
        width, height = box[2] - box[0], box[3] - box[1]
        if min(width, height) >= least and width * height < _WHOLE * size[0] * size[1]:
            result.insert(_place(result, box), Block("image", box))
    return result


def _place(blocks: list[Block], picture: Box) -> int:
    left, top, right, _ = picture
    for place, block in enumerate(blocks):
        first, upper, last, _ = block.box
        if upper >= top and first < right and last > left:
            return place
    return len(blocks)


def _united(boxes: Iterable[Box]) -> list[Box]:
    """The boxes from the top, with those that overlap made one."""
    waiting = sorted(boxes, key=lambda box: box[1])
    united: list[Box] = []
    while waiting:
        box = waiting.pop(0)
        others = [other for other in (*united, *waiting) if _overlap(box, other)]
        if not others:
            united.append(box)
            continue
        united = [other for other in united if other not in others]
        waiting = [other for other in waiting if other not in others]
        lefts, tops, rights, bottoms = zip(box, *others, strict=True)
        waiting.insert(0, (min(lefts), min(tops), max(rights), max(bottoms)))
    return united


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
