"""How sure the model was, from the probability that it gave to each token it wrote.

The confidence of a word is the product of the probabilities of all tokens that have a part in it:
how likely the model, given what it had written so far, held exactly this word to be. One doubtful
digit makes a long number doubtful. The confidence of a result is the mean of its words', so it is
the share of words that the model itself expects to be right. Both run from 0 to 1. They are the
model's opinion, not a measurement: it can be sure and wrong, above all where it invents text.

Tokens are pieces of bytes, not of characters. A character may take several of them: servers give
the whole character to the last and nothing to the others, or the bytes to each. Either way all of
them count for the word.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from qwen_ocr.results import Word


class Token(NamedTuple):
    """One token of an answer."""

    data: bytes
    """What it adds to the text, in UTF-8."""
    logprob: float
    """Natural logarithm of its probability: 0 or less."""


def words_of(text: str, tokens: Sequence[Token]) -> tuple[Word, ...]:
    """The words of `text`, written in `tokens`; none when the two do not agree.

    Tokens may go on after the text: the end marker is one.
    """
    if not b"".join(token.data for token in tokens).startswith(text.encode()):
        return ()
    ends = list(accumulate(len(token.data) for token in tokens))
    starts = [0, *ends]
    words = []
    first = end = 0
    for part in re.findall(r"\s+|\S+", text):
        start, end = end, end + len(part.encode())
        if part.isspace():
            continue
        # Past the tokens before the word, but not past one that also has the end of another word.
        while ends[first] <= start and starts[first] < start:
            first += 1
        last = bisect_left(starts, end, hi=len(tokens))
        logprob = sum(token.logprob for token in tokens[first:last])
        words.append(Word(part, math.exp(min(logprob, 0.0))))
    return tuple(words)


def mean_confidence(words: Iterable[Word]) -> float | None:
    """The confidence of a text, 0 to 1; None when it has no words."""
    values = [word.confidence for word in words]
    return sum(values) / len(values) if values else None
