"""How sure the model was, from the probability that it gave to each token it wrote.

The confidence of a word is the product of the probabilities of all tokens that have a part in it:
how likely the model, given what it had written so far, held exactly this word to be. One doubtful
digit makes a long number doubtful. The confidence of a result is the mean of its words', so it is
the share of words that the model itself expects to be right. Both run from 0 to 1. They are the
model's opinion, not a measurement: it can be sure and wrong, above all where it invents text.

A page whose confidence is low, or on which nothing was found, has warnings: see `warnings_of`.

Tokens are pieces of bytes, not of characters. A character may take several of them: servers give
the whole character to the last and nothing to the others, or the bytes to each. Either way all of
them count for the word.

Chinese and Japanese have no spaces between words. There, each character is a word, with the
punctuation at it.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from qwen_ocr.results import Word
from qwen_ocr.spacing import PARTS

LOW_CONFIDENCE: Final = 0.75
"""Confidence of a page, 0 to 1, below which it is flagged.

Chosen with the bundled model by `tests/bench/confidence_threshold.py`: of 147 blocks of text read
well (CER up to 5 %) none is below it, nor below 0.80; of 43 pictures read badly (CER over 20 %) it
catches 33: all that are turned, shrunk to a third, in another script or of noise, but none of 10
small ones with two columns, whose words are right and whose order is not. At 0.90 it would catch 36
with 6 false alarms. Other models were not measured; `min_confidence` sets a limit of your own."""

CUT_OFF: Final = "cut_off"
"""The warning for a page of which some part was cut off; our server says it as `stop_reason`."""

WARNINGS: Final = {
    "low_confidence": "the model is not sure of this text: look at it, turn the page upright if it "
    "is not, crop it to a block of text, or serve a larger model",
    "no_text": "no text was found: if there is some, it is too small, too faint, or in a script "
    "that the model does not know",
    CUT_OFF: "somewhere on this page the model went on without end and was cut off there: compare "
    "the text with the page, or serve a larger model",
    "turned": "the model says that the page is not upright: turn it, and read it again",
    "vertical_text": "lines run from top to bottom, as in Chinese and Japanese books; such a page "
    "is not read in the right order: compare the text with it, or send its image in a chat request "
    "to a larger model",
    "not_understood": "the answer is not in the form that the model was taught, and is given as it "
    "was written: it may not be a page, or be too long",
}
"""Every code in `OCRResult.warnings`, which do not change, with what it says and what to do."""


class Token(NamedTuple):
    """One token of an answer."""

    data: bytes
    """What it adds to the text, in UTF-8."""
    logprob: float
    """Natural logarithm of its probability: 0 or less."""

    @classmethod
    def of(cls, text: str, data: Iterable[int] | None, logprob: float) -> "Token":
        """A token as the chat interface has it: its bytes, or its text if they are not given."""
        return cls(text.encode() if data is None else bytes(data), logprob)


_UNDECODABLE = "\ufffd"
_SLIP = 64
"""Bytes by which text and tokens may drift apart between two words, around what the server could
not decode."""
_MOST_LOST = 0.1
"""The share of words that the tokens do not spell above which they are those of another text."""


_MARKUP = re.compile(
    rb"<[^<>]{1,2000}>"
    rb"|\\[nrt]"
    rb'|"(?:bbox|bbox_2d)"\s*:\s*\[[^\]]{0,200}\]'
    rb'|"category"\s*:\s*"[^"]{0,50}"'
    rb'|"text"\s*:'
    rb"|!\[[\w+-]{0,50}\]\([\d\s,]{7,40}\)"
)
"""What models write beside the text of a page: tags, names of JSON, boxes."""
_SIGNS = re.compile(r"<[^<>]{1,2000}>|!\[|\]\([^)]{0,200}\)|[#*|$~`\[\]]+")


def words_within(markdown: str, tokens: Sequence[Token]) -> tuple[Word, ...]:
    """The words of `markdown` that was made of what `tokens` spell: HTML, JSON or the like.

    Words that were written in another way are left out; none, when they are most of them.
    """
    spelt = b"".join(token.data for token in tokens)
    shown = _MARKUP.sub(lambda match: b" " * len(match.group()), spelt)
    ends = [0, *accumulate(len(token.data) for token in tokens)]
    pieces = [
        Token(shown[start:end], token.logprob)
        for token, start, end in zip(tokens, ends, ends[1:], strict=False)
    ]
    return words_of(_SIGNS.sub(" ", markdown), pieces, slip=4000, most_lost=0.5)


def words_of(
    text: str,
    tokens: Sequence[Token],
    *,
    slip: int = _SLIP,
    most_lost: float = _MOST_LOST,
) -> tuple[Word, ...]:
    """The words of `text`, written in `tokens`; none when the two do not agree.

    Tokens may begin before the text, as a model's reasoning does, and go on after it: the end
    marker is one. A word that they do not spell, because of bytes that are no characters, is left
    out.
    """
    spelt = b"".join(token.data for token in tokens)
    ends = list(accumulate(len(token.data) for token in tokens))
    starts = [0, *ends]
    words = []
    first = lost = 0
    for part, span in _spans(text, spelt, slip):
        if span is None:
            lost += 1
            continue
        start, end = span
        # Past the tokens before the word, but not past one that also has the end of another word.
        while ends[first] <= start and starts[first] < start:
            first += 1
        last = bisect_left(starts, end, hi=len(tokens))
        logprob = sum(token.logprob for token in tokens[first:last])
        words.append(Word(part, math.exp(min(logprob, 0.0))))
    return tuple(words) if lost <= most_lost * (len(words) + lost) else ()


def _spans(text: str, spelt: bytes, slip: int) -> Iterator[tuple[str, tuple[int, int] | None]]:
    """Each word, and from which byte to which it is spelt; None if it is not."""
    place = max(spelt.find(text.encode()), 0)
    for part in PARTS.findall(text):
        data = part.encode()
        if spelt.startswith(data, place):
            start, place = place, place + len(data)
            if not part.isspace():
                yield part, (start, place)
        elif not part.isspace():
            span = _search(part, spelt, place, slip)
            yield part, span
            place = span[1] if span else place


def _search(word: str, spelt: bytes, place: int, slip: int) -> tuple[int, int] | None:
    """Where a word is spelt near `place`, or what of it could be decoded."""
    start = None
    for piece in word.split(_UNDECODABLE):
        data = piece.encode()
        found = spelt.find(data, place, place + len(data) + slip) if data else -1
        if data and found < 0:
            return None
        if data:
            start = found if start is None else start
            place = found + len(data)
    return None if start is None else (start, place)


def mean_confidence(words: Iterable[Word]) -> float | None:
    """The confidence of a text, 0 to 1; None when it has no words."""
    values = [word.confidence for word in words]
    return sum(values) / len(values) if values else None


def warnings_of(text: str, confidence: float | None, *, cut_off: bool = False) -> tuple[str, ...]:
    """The codes of `WARNINGS` that hold for a page with this text and confidence.

    A confidence that is not known is no reason for a warning.
    """
    warnings = []
    if not text.strip():
        warnings.append("no_text")
    elif confidence is not None and confidence < LOW_CONFIDENCE:
        warnings.append("low_confidence")
    if cut_off:
        warnings.append(CUT_OFF)
    return tuple(warnings)
