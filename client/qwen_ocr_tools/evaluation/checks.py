"""Facts about a page that hold or do not: the tests of olmOCR-bench.

Poznanski et al., "olmOCR 2: Unit Test Rewards for Document OCR", 2025, and the benchmark's README:
a text is `present`, `absent`, or comes `before` another, up to `max_diffs` edits, after quotes and
dashes are made alike and marks of bold and italics are dropped; `baseline` asks that there is text
at all and that it is not an endless loop. Its tests of tables and formulas are not computed here:
they need a renderer of LaTeX and a model of tables.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter
from rapidfuzz import fuzz

from qwen_ocr.repetition import ends_in_loop
from qwen_ocr_tools.evaluation.text import fold

_ALIKE = str.maketrans("‘’‚“”„＿–—‑‒−\u00b5", "'''\"\"\"_-----\u03bc")


def plain(text: str) -> str:
    """The normal form that the benchmark compares in."""
    text = re.sub(r"<br\s*/?>", " ", text)
    text = re.sub(r"</?[bi]>", "", text)
    text = re.sub(r"(\*\*|__)(.*?)\1", r"\2", text)
    text = re.sub(r"([*_])(.*?)\1", r"\2", text)
    return fold(text).translate(_ALIKE)


class _Text(BaseModel):
    type: Literal["present", "absent"]
    text: str = Field(min_length=1)
    max_diffs: int = Field(0, ge=0)
    case_sensitive: bool = True
    first_n: int | None = None
    last_n: int | None = None

    def passes(self, reading: str) -> bool:
        wanted, page = plain(self.text), plain(reading)
        if not self.case_sensitive:
            wanted, page = wanted.lower(), page.lower()
        if self.first_n or self.last_n:
            start = page[: self.first_n] if self.first_n else ""
            page = start + (page[-self.last_n :] if self.last_n else "")
        # The ratio of a needle longer than its haystack is that of the haystack in the needle.
        found = len(page) >= len(wanted) - self.max_diffs and (
            fuzz.partial_ratio(wanted, page) / 100 >= 1 - self.max_diffs / len(wanted)
        )
        return found == (self.type == "present")


class _Order(BaseModel):
    type: Literal["order"]
    before: str = Field(min_length=1)
    after: str = Field(min_length=1)
    max_diffs: int = Field(0, ge=0)

    def passes(self, reading: str) -> bool:
        page = plain(reading)
        first = near_matches(plain(self.before), page, self.max_diffs)
        second = near_matches(plain(self.after), page, self.max_diffs)
        return bool(first and second) and min(first) < max(second)


class _Baseline(BaseModel):
    type: Literal["baseline"]
    max_length: int | None = None

    def passes(self, reading: str) -> bool:
        characters = sum(c.isalnum() for c in reading)
        if self.max_length is not None:
            return characters <= self.max_length
        return characters > 0 and not ends_in_loop(reading, ended=True)


Check = _Text | _Order | _Baseline
_CHECK: TypeAdapter[Check] = TypeAdapter(Annotated[Check, Field(discriminator="type")])

KNOWN_TYPES = ("present", "absent", "order", "baseline")


def parse_check(row: Mapping[str, Any]) -> Check:
    """The test in a row of the benchmark; pydantic's `ValidationError` for one that is broken."""
    return _CHECK.validate_python(row)


def near_matches(needle: str, text: str, max_edits: int) -> list[int]:
    """Where in `text` something within `max_edits` edits of `needle` begins.

    Sellers, "The theory and computation of evolutionary distances: pattern recognition", 1980: the
    table of edit distances whose first row is zero, here from the end so that it gives beginnings.
    """
    needle = needle[::-1]
    column = list(range(len(needle) + 1))
    starts = []
    for position in range(len(text) - 1, -1, -1):
        diagonal, column[0] = column[0], 0
        for row, letter in enumerate(needle, 1):
            step = diagonal + (letter != text[position])
            diagonal = column[row]
            column[row] = min(step, diagonal + 1, column[row - 1] + 1)
        if column[-1] <= max_edits:
            starts.append(position)
    return starts
