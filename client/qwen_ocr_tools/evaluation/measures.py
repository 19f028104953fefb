"""The measures that are reported: what each compares, and what it is called."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from qwen_ocr_tools.evaluation import metrics
from qwen_ocr_tools.evaluation.dataset import Sample, TruthPart
from qwen_ocr_tools.evaluation.metrics import Ratio
from qwen_ocr_tools.evaluation.readings import Reading
from qwen_ocr_tools.evaluation.statistics import Average
from qwen_ocr_tools.evaluation.text import without_case, without_punctuation, without_space

PageRatio = Callable[[Sample, Reading], Ratio | None]


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of the report."""

    key: str
    label: str
    of: PageRatio
    """A page's part in it; None when the page has none."""
    meaning: str
    task: TruthPart = "text"
    average: Average = "micro"
    """How it is quoted; the results hold both."""


def _text(compare: Callable[[str, str], Ratio | None]) -> PageRatio:
    def ratio(sample: Sample, reading: Reading) -> Ratio | None:
        return None if sample.text is None else compare(sample.text, reading.text)

    return ratio


def _finished(reason: str) -> PageRatio:
    return lambda _sample, reading: Ratio(reading.finish_reason == reason, 1)


def _flagged(_sample: Sample, reading: Reading) -> Ratio | None:
    if reading.confidence is None and not reading.warnings:
        return None
    return Ratio(bool(reading.warnings), 1)


def _checks(sample: Sample, reading: Reading) -> Ratio | None:
    passed = sum(check.passes(reading.text) for check in sample.checks)
    return Ratio(passed, len(sample.checks)) if sample.checks else None


def _fields(sample: Sample, reading: Reading) -> Ratio | None:
    return None if sample.fields is None else metrics.field_match(sample.fields, reading.fields)


def _boxes(sample: Sample, reading: Reading) -> Ratio | None:
    if not sample.boxes:
        return None
    return metrics.box_recall([box.box for box in sample.boxes], reading.boxes or ())


_CER = "edits in characters ÷ characters of the truth"
_WER = "edits in words ÷ words of the truth"

MEASURES = (
    Measure(
        "cer",
        "CER",
        _text(metrics.character_errors),
        f"{_CER}; white space and full-width forms folded",
    ),
    Measure(
        "cer_no_case",
        "CER, case ignored",
        _text(partial(metrics.character_errors, normalise=without_case)),
        f"{_CER}, upper and lower case alike",
    ),
    Measure(
        "cer_no_punctuation",
        "CER, punctuation ignored",
        _text(partial(metrics.character_errors, normalise=without_punctuation)),
        f"{_CER}, punctuation dropped from both",
    ),
    Measure(
        "cer_no_space",
        "CER, white space ignored",
        _text(partial(metrics.character_errors, normalise=without_space)),
        f"{_CER}, white space dropped from both",
    ),
    Measure("wer", "WER", _text(metrics.word_errors), _WER),
    Measure(
        "wer_no_case",
        "WER, case ignored",
        _text(partial(metrics.word_errors, normalise=without_case)),
        f"{_WER}, upper and lower case alike",
    ),
    Measure(
        "wer_no_punctuation",
        "WER, punctuation ignored",
        _text(partial(metrics.word_errors, normalise=without_punctuation)),
        f"{_WER}, punctuation dropped from both",
    ),
    Measure(
        "ned",
        "normalized edit distance",
        _text(metrics.normalized_edits),
        "edits ÷ characters of the longer text, mean of pages",
        average="macro",
    ),
    Measure("exact", "pages without error", _text(metrics.exact_match), "share of exact matches"),
    Measure(
        "bag_of_words",
        "bag-of-words F1",
        _text(metrics.bag_of_words),
        "F1 of the words, whatever their order",
    ),
    Measure("checks", "checks passed", _checks, "share of olmOCR-bench's tests that hold"),
    Measure("field_f1", "field F1", _fields, "F1 of (field, value) pairs", task="fields"),
    Measure("box_recall", "box recall", _boxes, "share of boxes found at IoU ≥ 0.5", task="boxes"),
    Measure("truncated", "cut off", _finished("length"), "share of pages not read to their end"),
    Measure(
        "flagged", "flagged", _flagged, "share of pages with a warning, such as low confidence"
    ),
    Measure("repetition", "loops", _finished("repetition"), "share of pages that end in a loop"),
)
BY_KEY = {measure.key: measure for measure in MEASURES}
