"""Where a reading differs from the truth, for showing it."""

import unicodedata
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from qwen_ocr_tools.evaluation.text import narrow


class Segment(NamedTuple):
    """A run of characters in the same state."""

    text: str
    state: str
    """`same`; `changed` in both texts; `missing` in the reading; `added` by it."""


_STATES = {
    "equal": ("same", "same"),
    "replace": ("changed", "changed"),
    "delete": ("missing", ""),
    "insert": ("", "added"),
}


def differences(truth: str, read: str) -> tuple[list[Segment], list[Segment]]:
    """Both texts in segments, along a path of the fewest edits.

    White space of any kind is alike, and so are full-width forms of ASCII and ASCII.

    Line breaks stay where they are in each, since they are how a page is recognised by eye.
    """
    truth, read = (unicodedata.normalize("NFC", text.strip()) for text in (truth, read))
    left: list[Segment] = []
    right: list[Segment] = []
    for op in Levenshtein.opcodes(_alike(truth), _alike(read)):
        before, after = _STATES[op.tag]
        if before:
            left.append(Segment(truth[op.src_start : op.src_end], before))
        if after:
            right.append(Segment(read[op.dest_start : op.dest_end], after))
    return left, right


def _alike(text: str) -> str:
    return narrow("".join(" " if c.isspace() else c for c in text))
