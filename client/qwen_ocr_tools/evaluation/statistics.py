"""How far to trust a number from a sample of pages. Pages are the unit: errors come in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qwen_ocr_tools.evaluation.metrics import Ratio

LEVEL = 0.95
"""Confidence level of intervals; 1 - LEVEL is the bound on p below which a difference is real."""
RESAMPLES = 2000
PERMUTATIONS = 9999
SEED = 0
"""Fixed, so that the same readings give the same report."""
_BLOCK = 4_000_000
"""Numbers drawn at a time, which bounds the memory."""

Numbers = NDArray[np.float64]
Average = Literal["micro", "macro"]


@dataclass(frozen=True, slots=True)
class Score:
    """A measure over some pages."""

    micro: float
    macro: float
    low: float
    """Of the interval of the average that is quoted."""
    high: float
    pages: int
    whole: float
    """What the micro average divides by: characters for the CER."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether two runs over the same pages differ."""

    first: str
    second: str
    pages: int
    """Those that both have read."""
    first_cer: float
    second_cer: float
    difference: float
    """Of the micro CERs: below 0 if the first is better."""
    low: float
    high: float
    p: float
    """How often chance alone would make a difference as large."""
    real: bool
    """Whether p is below 1 - LEVEL: chance is a poor explanation."""


def score(ratios: Sequence[Ratio], average: Average = "micro") -> Score:
    """The averages of a measure, with a percentile bootstrap interval of `average`.

    Efron, "Bootstrap methods: another look at the jackknife", 1979; over whole utterances, here
    pages, for error rates: Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR
    performance evaluation", 2004. `ratios` must not be empty.
    """
    parts, wholes = _columns(ratios)
    values = np.array([ratio.value for ratio in ratios])
    if average == "macro":
        low, high = _interval(values, np.ones(len(values)))
    else:
        low, high = _interval(parts, wholes)
    total = Ratio(float(parts.sum()), float(wholes.sum()))
    return Score(total.value, float(values.mean()), low, high, len(ratios), total.whole)


def compare(
    first: str, first_ratios: Sequence[Ratio], second: str, second_ratios: Sequence[Ratio]
) -> Comparison:
    """Two runs, page by page: `first_ratios[i]` and `second_ratios[i]` are of the same page.

    The interval is a paired bootstrap (Koehn, "Statistical significance tests for machine
    translation evaluation", 2004); p is of the paired permutation test, which swaps the two runs'
    readings of each page by chance (Fisher, "The design of experiments", 1935), counted as Phipson
    and Smyth, "Permutation P-values should never be zero", 2010, do.
    """
    parts, wholes = _columns(first_ratios)
    other, other_wholes = _columns(second_ratios)
    a = Ratio(float(parts.sum()), float(wholes.sum())).value
    b = Ratio(float(other.sum()), float(other_wholes.sum())).value
    edits = parts - other
    low, high = _interval(edits, wholes)
    rng = np.random.default_rng(SEED)
    extreme = 0
    for rows in _blocks(PERMUTATIONS, len(edits)):
        signs = rng.integers(0, 2, (rows, len(edits))) * 2 - 1
        # Room for the rounding of sums in another order.
        extreme += int((np.abs(signs @ edits) >= abs(edits.sum()) - 1e-9).sum())
    p = (extreme + 1) / (PERMUTATIONS + 1)
    return Comparison(first, second, len(edits), a, b, a - b, low, high, p, p < 1 - LEVEL)


def _columns(ratios: Sequence[Ratio]) -> tuple[Numbers, Numbers]:
    table = np.array([(ratio.part, ratio.whole) for ratio in ratios], dtype=np.float64)
    return table[:, 0], table[:, 1]


def _interval(parts: Numbers, wholes: Numbers) -> tuple[float, float]:
    """Of Σ parts ÷ Σ wholes, over resampled pages."""
    rng = np.random.default_rng(SEED)
    found = []
    for rows in _blocks(RESAMPLES, len(parts)):
        chosen = rng.integers(0, len(parts), (rows, len(parts)))
        totals = wholes[chosen].sum(axis=1)
        sums = parts[chosen].sum(axis=1)
        found.append(np.where(totals > 0, sums / np.maximum(totals, 1), np.minimum(sums, 1)))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.concatenate(found), [tail, 1 - tail])
    return float(low), float(high)


def _blocks(total: int, width: int) -> list[int]:
    size = max(1, _BLOCK // width)
    return [min(size, total - start) for start in range(0, total, size)]
