"""Whether the confidence of words says how often they are right."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from qwen_ocr_tools.evaluation.readings import Reading
from qwen_ocr_tools.evaluation.text import fold, words_of

BINS = 10
REVIEWED = 0.05
"""Share of words, the least confident first, that somebody looks at again."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Words of about the same confidence."""

    words: int
    confidence: float
    """Their mean confidence, 0 to 1."""
    accuracy: float
    """The share of them that is right."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the confidence of a run's words relates to their errors."""

    words: int
    wrong: int
    error: float
    """The expected calibration error, 0 to 1."""
    caught: float | None
    """Share of the wrong words among the reviewed ones; None if no word is wrong. A review of words
    chosen by chance finds `REVIEWED` of them. Words that were left out cannot be found so."""
    bins: tuple[Bin, ...]
    """The reliability curve: non-empty bins, from low to high confidence."""


def judged_words(truth: str, reading: Reading) -> list[tuple[float, bool]]:
    """The confidence of each word of a reading, and whether it is right.

    A word is right if the edit path of least cost between the two lists of words keeps it.
    """
    read = [fold(word) for word, _ in reading.words]
    right = [False] * len(read)
    for op in Levenshtein.opcodes(words_of(fold(truth)), read):
        if op.tag == "equal":
            right[op.dest_start : op.dest_end] = [True] * (op.dest_end - op.dest_start)
    return [(confidence, ok) for (_, confidence), ok in zip(reading.words, right, strict=True)]


def calibrate(words: Sequence[tuple[float, bool]]) -> Calibration | None:
    """The calibration over all words of a run; None when there are none.

    The expected calibration error is Σ (words of bin ÷ words) · |accuracy - confidence| over ten
    bins of equal width: Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities
    using Bayesian binning", 2015; Guo et al., "On calibration of modern neural networks", 2017.
    """
    if not words:
        return None
    members: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, right in words:
        members[min(int(confidence * BINS), BINS - 1)].append((confidence, right))
    bins = tuple(
        Bin(
            len(group),
            sum(confidence for confidence, _ in group) / len(group),
            sum(right for _, right in group) / len(group),
        )
        for group in members
        if group
    )
    wrong = sum(not right for _, right in words)
    doubtful = sorted(words, key=lambda word: word[0])[: round(REVIEWED * len(words))]
    caught = sum(not right for _, right in doubtful) / wrong if wrong else None
    error = sum(b.words * abs(b.accuracy - b.confidence) for b in bins) / len(words)
    return Calibration(len(words), wrong, error, caught, bins)
