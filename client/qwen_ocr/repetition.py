"""When a model repeats itself, and what to do about it.

A model in a loop writes the same thing until it is stopped. Pages repeat themselves, too: dot
leaders, rules, tables of zeros, ruled lines. What tells the two apart is that paper ends. Identical
lines cannot be more than a page has, which is 88 at eight to the inch. What repeats within a line
(dots, dashes, cells) can be more, but short: 500 zeros in a row are 1000 characters or tokens.

So a loop is 100 copies of a pattern at the end of the text, and patterns have a least length, below
which several copies count as one: a run of single tokens is a loop not at the 100th but at the
1000th. That bounds what a loop costs, and no page comes near it.
"""

from typing import Final

COPIES: Final = 100
"""Copies of one pattern at the end of a text that no page has."""
COPIES_WHEN_CUT: Final = 20
"""The same for a text that the model did not end by itself, which is suspect already."""
MIN_PATTERN: Final = 50
"""Characters of the shortest pattern that is looked for; shorter ones count as several in one."""
MAX_PATTERN: Final = 1000
"""Characters of the longest: a long paragraph."""

SERVER_DETECTION: Final = {"min_pattern_size": 10, "max_pattern_size": 200, "min_count": COPIES}
"""vLLM's `repetition_detection`, in tokens; one count serves all sizes. A loop of single tokens is
stopped after 1000 of them, a sentence of 30 tokens after 3000."""

TEMPERATURES: Final = (0.0, 0.2, 0.5, 0.8)
"""Sampling temperature of each attempt: the first is greedy; a loop is left by chance, not by a
penalty on repetition, which would spoil every table that is read after it."""

REPETITION: Final = "repetition"
"""The `finish_reason` of a text that ends in a loop, in vLLM's word."""


def ends_in_loop(text: str, *, ended: bool) -> bool:
    """Whether `text` ends in copies of one pattern; `ended` when the model ended it by itself."""
    copies = COPIES if ended else COPIES_WHEN_CUT
    for size in range(MIN_PATTERN, min(MAX_PATTERN, len(text) // copies) + 1):
        # Copies of a pattern are what equals itself when moved by the pattern's length.
        start = len(text) - size * copies
        if text[start] == text[start + size] and text[start:-size] == text[start + size :]:
            return True
    return False
