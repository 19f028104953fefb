"""Headers and footers: what stands alone at the top and at the bottom of a page."""

from collections.abc import Sequence
from dataclasses import replace

from qwen_ocr_serve.documents.layout import Block
from qwen_ocr_serve.documents.lines import Ink

_EDGE = 0.085
"""Part of the page's height, at the top and at the bottom, that headers and footers keep to."""
_ROWS = 2
_WHITE = 1.5
"""White between them and the rest, in heights of type, at least."""
_LARGEST = 1.15
"""Height of their type, in those of the page's, at most."""
_LEAST_ROWS = 8
"""Rows of a page that has such margins; a note or a crop has none."""


def mark_margins(blocks: list[Block], size: tuple[int, int], found: Ink) -> list[Block]:
    """The blocks, with those that are headers and footers named so."""
    if sum(len(block.rows) for block in blocks) < _LEAST_ROWS:
        return blocks
    edge = _EDGE * size[1]
    upper = [block for block in blocks if block.box[3] <= edge]
    lower = [block for block in blocks if block.box[1] >= size[1] - edge]
    rest = [block for block in blocks if block not in upper and block not in lower]
    if not rest:
        return blocks
    top, bottom = min(block.box[1] for block in rest), max(block.box[3] for block in rest)
    white = _WHITE * found.height
    headers = upper if _alone(upper, found.tall) and top - _lowest(upper) >= white else []
    footers = (
        lower if _alone(lower, found.tall) and _highest(lower, size[1]) - bottom >= white else []
    )
    return [
        replace(block, kind="header" if block in headers else "footer", prose=False)
        if block in headers or block in footers
        else block
        for block in blocks
    ]


def _alone(blocks: Sequence[Block], tall: float) -> bool:
    """Whether these are one or two rows of type that is no larger than usual."""
    rows = sum(len(block.rows) for block in blocks)
    plain = all(b.kind == "text" and b.type_height <= _LARGEST * tall for b in blocks)
    return 0 < rows <= _ROWS and plain


def _lowest(blocks: Sequence[Block]) -> int:
    return max((block.box[3] for block in blocks), default=0)


def _highest(blocks: Sequence[Block], otherwise: int) -> int:
    return min((block.box[1] for block in blocks), default=otherwise)
