"""Words and lines in scripts with spaces between words, and in those without.

Chinese and Japanese have no spaces between words, and a line of them is broken anywhere. Korean has
spaces. Where the two kinds meet on one line, as in `使用 vLLM 部署`, what is written is kept.
"""

import re
import unicodedata
from collections.abc import Iterable

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""

OPENING, CLOSING = "（「『【〈《〔", "、。，．！？：；）」』】〉》〕ー々"
CHARACTER = "[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
"""A pattern: kana and Han characters."""
PARTS = re.compile(rf"\s+|[{OPENING}]*{CHARACTER}[{CLOSING}]*|(?:(?!{CHARACTER})\S)+")
"""Words and white space. Each kana or Han character is a word, with the punctuation at it."""

_UNSPACED = re.compile(CHARACTER)
_FULL_WIDTH = re.compile("[\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]")
"""Punctuation that has its space in itself."""
_AMBIGUOUS = re.compile("[“”‘’—…·]")
"""Punctuation that Chinese shares with scripts that have spaces."""
_WIDE_GAP = 0.6
"""White between two parts of a line that is a space in any script, in heights of the line."""


def words(text: str) -> list[str]:
    """The words of a text: what stands between white space; each character of Chinese or Japanese.

    Punctuation goes with the word that it stands at.
    """
    return [part for part in PARTS.findall(text) if not part.isspace()]


def is_unspaced(character: str) -> bool:
    """Whether it is a kana or Han character."""
    return bool(_UNSPACED.match(character))


def space_between(left: str, right: str) -> str:
    """What belongs between two parts of running text that white space or a line's end divides.

    Nothing within Chinese or Japanese and beside full-width punctuation; a space elsewhere, and
    where either part is empty, nothing.
    """
    before, after = left[-1:], right[:1]
    if not before or not after or _FULL_WIDTH.match(before) or _FULL_WIDTH.match(after):
        return ""
    unspaced = is_unspaced(before), is_unspaced(after)
    if all(unspaced):
        return ""
    if any(unspaced) and (_AMBIGUOUS.match(before) or _AMBIGUOUS.match(after)):
        return ""
    return " "


def join_lines(rows: Iterable[str]) -> str:
    """Lines of running text as one.

    Words that were divided at a hyphen are put together, in scripts with small letters alone, and
    Chinese goes on without a space.
    """
    text = ""
    for row in rows:
        if text[-1:] == "-" and _has_case(text[-2:-1]) and row[:1].islower():
            text = text[:-1] + row
        else:
            text += space_between(text, row) + row
    return text


def join_row(parts: Iterable[tuple[str, Box]]) -> str:
    """Parts of one line, from its left, as one text; parts that have none are left out.

    A wide gap between two is a space in any script.
    """
    text, last = "", (0, 0, 0, 0)
    for part, box in parts:
        if not part:
            continue
        text += gap_between(text, last, part, box) + part
        last = box
    return text


def gap_between(left: str, left_box: Box, right: str, right_box: Box) -> str:
    """What belongs between two parts of one line: nothing or a space."""
    height = min(left_box[3] - left_box[1], right_box[3] - right_box[1])
    if left and right and right_box[0] - left_box[2] > _WIDE_GAP * height:
        return " "
    return space_between(left, right)


def set_width(text: str) -> int:
    """How wide a text is set: 2 for each full-width character, 1 for any other."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _has_case(character: str) -> bool:
    return character.islower() or character.isupper()
