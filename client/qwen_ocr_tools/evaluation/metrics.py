"""How wrong one page is, in the field's own measures.

A page's part in a measure is a ratio of two counts. That makes every measure the same to sum up:
micro is the sum of the first counts over the sum of the second, so that long pages weigh more;
macro is the mean of the pages' own ratios, so that each page weighs the same.

The edit distance is Levenshtein's: insertions, deletions and substitutions cost 1 each
(Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals", 1966).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from rapidfuzz.distance import Levenshtein

from qwen_ocr_tools.evaluation.readings import Box
from qwen_ocr_tools.evaluation.text import fold, words_of

Normalise = Callable[[str], str]


class Ratio(NamedTuple):
    """A page's part in a measure."""

    part: float
    whole: float

    @property
    def value(self) -> float:
        """`part` ÷ `whole`; of nothing it is 0 for nothing and 1 for anything, so that a blank page
        on which something was read counts as one page read wrongly."""
        return self.part / self.whole if self.whole else min(self.part, 1.0)


def character_errors(truth: str, read: str, normalise: Normalise = fold) -> Ratio:
    """Edits in characters over characters of the truth: the character error rate (CER).

    As in Carrasco, "An open-source OCR evaluation tool", 2014. Over 1 when the reading is much
    longer than the truth.
    """
    truth, read = normalise(truth), normalise(read)
    return Ratio(Levenshtein.distance(truth, read), len(truth))


def word_errors(truth: str, read: str, normalise: Normalise = fold) -> Ratio:
    """Edits in words over words of the truth: the word error rate (WER) of speech recognition.

    Words are parted by white space; each character of Chinese and Japanese is one.
    """
    words = words_of(normalise(truth))
    return Ratio(Levenshtein.distance(words, words_of(normalise(read))), len(words))


def normalized_edits(truth: str, read: str) -> Ratio:
    """Edits over the length of the longer text: the normalized edit distance, 0 to 1.

    As OmniDocBench (Ouyang et al., CVPR 2025) and ICDAR's reading competitions take it, which
    report the mean over pages (macro).
    """
    truth, read = fold(truth), fold(read)
    return Ratio(Levenshtein.distance(truth, read), max(len(truth), len(read)))


def exact_match(truth: str, read: str) -> Ratio:
    """1 if the texts are equal once white space is folded."""
    return Ratio(fold(truth) == fold(read), 1)


def bag_of_words(truth: str, read: str) -> Ratio | None:
    """F1 of the words as multisets, whatever their order: 2·common ÷ (words here + words there).

    As the bag-of-words measure of Pletschacher, Clausner and Antonacopoulos, "Europeana Newspapers
    OCR workflow evaluation", 2015. High where CER is low by reading order alone. None when both
    texts are empty.
    """
    return _dice(Counter(words_of(fold(truth))), Counter(words_of(fold(read))))


def field_match(truth: Any, read: Any) -> Ratio | None:
    """F1 of (field, value) pairs: a pair counts when its value is the same text once folded.

    Micro-averaged over a set it is the entity F1 of SROIE (Huang et al., ICDAR 2019) and CORD (Park
    et al., 2019). Items of a list may come in any order; an empty value is no pair.
    """
    return _dice(Counter(_leaves(truth)), Counter(_leaves(read)))


def _dice(truth: Counter[Any], read: Counter[Any]) -> Ratio | None:
    total = truth.total() + read.total()
    return Ratio(2 * (truth & read).total(), total) if total else None


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}/{key}")
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, f"{path}[]")
    elif value is not None and (text := fold(str(value))):
        yield path, text


def box_recall(truth: Sequence[Box], read: Sequence[Box], threshold: float = 0.5) -> Ratio:
    """Boxes of the truth that were found, over all of them; each found box is used once.

    Found is an intersection over union of at least 0.5 (Everingham et al., "The PASCAL Visual
    Object Classes challenge", 2010), the best pairs first.
    """
    pairs = sorted(
        ((iou(a, b), i, j) for i, a in enumerate(truth) for j, b in enumerate(read)), reverse=True
    )
    used_truth: set[int] = set()
    used_read: set[int] = set()
    for overlap, i, j in pairs:
        if overlap < threshold:
            break
        if i not in used_truth and j not in used_read:
            used_truth.add(i)
            used_read.add(j)
    return Ratio(len(used_truth), len(truth))


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    union = _area(a) + _area(b) - common
    return common / union if union else 0.0


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
