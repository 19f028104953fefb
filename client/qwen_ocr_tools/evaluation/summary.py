"""What came out: the numbers of every run, and of each kind of page in it."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from qwen_ocr.errors import ConfigurationError
from qwen_ocr_tools.evaluation.calibration import Calibration, calibrate, judged_words
from qwen_ocr_tools.evaluation.dataset import Dataset, Sample, TruthPart
from qwen_ocr_tools.evaluation.engines import Engine
from qwen_ocr_tools.evaluation.journal import Settings
from qwen_ocr_tools.evaluation.measures import BY_KEY, MEASURES
from qwen_ocr_tools.evaluation.metrics import Ratio
from qwen_ocr_tools.evaluation.readings import Reading
from qwen_ocr_tools.evaluation.speed import Speed, measure_speed
from qwen_ocr_tools.evaluation.statistics import Comparison, Score, compare, score

RESULTS = "results.json"
"""The file in a report's folder that another run can be compared with."""

Readings = Mapping[tuple[str, TruthPart], Reading]


@dataclass(frozen=True, slots=True)
class PageScore:
    """One page of one run."""

    page: str
    kind: str
    language: str | None
    ratios: dict[str, Ratio]
    """By key of the measure."""
    latency: float
    confidence: float | None
    """Mean of its words', 0 to 1."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One engine over one dataset."""

    engine: str
    settings: Settings
    scores: dict[str, Score]
    """By key of the measure; without those that no page has a part in."""
    kinds: dict[str, dict[str, Score]]
    languages: dict[str, dict[str, Score]]
    """As `kinds`, of the pages whose language is known."""
    speed: Speed | None
    calibration: Calibration | None
    pages: list[PageScore]

    @property
    def failed(self) -> list[PageScore]:
        """The pages that could not be read."""
        return [page for page in self.pages if page.error is not None]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that a report says, as `results.json` holds it."""

    dataset: str
    format: str
    created: str
    version: str
    problems: list[str]
    """Rows and files of the dataset that are left out."""
    runs: list[Run]
    comparisons: list[Comparison] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Write `results.json`."""
        data = _EVALUATION.dump_json(self, indent=1)
        (folder / RESULTS).write_bytes(data + b"\n")

    def to_json(self) -> str:
        """The same on one line."""
        return json.dumps(_EVALUATION.dump_python(self, mode="json"), ensure_ascii=False)


_EVALUATION = TypeAdapter(Evaluation)


def load_results(path: Path) -> Evaluation:
    """The evaluation in a report's folder; `ConfigurationError` when there is none."""
    file = path / RESULTS if path.is_dir() else path
    try:
        return _EVALUATION.validate_json(file.read_bytes())
    except OSError as exc:
        raise ConfigurationError(f"{file}: no earlier report ({exc.strerror})") from exc
    except ValidationError as exc:
        raise ConfigurationError(f"{file}: not the results of an evaluation") from exc


def summarise(
    engine: Engine, dataset: Dataset, readings: Readings, price_per_hour: float | None
) -> Run:
    """The numbers of one run. A page that could not be read counts as read empty."""
    pages: list[PageScore] = []
    words: list[tuple[float, bool]] = []
    used: list[Reading] = []
    for sample in dataset.samples:
        mine = [r for task in engine.tasks if (r := readings.get((sample.name, task)))]
        if not mine:
            continue
        used += mine
        pages.append(_page_score(sample, mine))
        if sample.text is not None:
            text = next((reading for reading in mine if reading.task == "text"), None)
            words += judged_words(sample.text, text) if text and text.words else []
    return Run(
        engine.name,
        engine.settings,
        _scores(pages),
        _scores_by(pages, lambda page: page.kind),
        _scores_by(pages, lambda page: page.language),
        measure_speed(used, price_per_hour),
        calibrate(words),
        pages,
    )


def _page_score(sample: Sample, readings: Sequence[Reading]) -> PageScore:
    ratios = {
        measure.key: ratio
        for reading in readings
        for measure in MEASURES
        if measure.task == reading.task and (ratio := measure.of(sample, reading)) is not None
    }
    confidences = [confidence for reading in readings for _, confidence in reading.words]
    return PageScore(
        sample.name,
        sample.kind,
        sample.language,
        ratios,
        sum(reading.latency for reading in readings),
        sum(confidences) / len(confidences) if confidences else None,
        next((reading.error for reading in readings if reading.error), None),
    )


def _scores(pages: Iterable[PageScore]) -> dict[str, Score]:
    by_key: dict[str, list[Ratio]] = {}
    for page in pages:
        for key, ratio in page.ratios.items():
            by_key.setdefault(key, []).append(ratio)
    return {
        measure.key: score(by_key[measure.key], measure.average)
        for measure in MEASURES
        if measure.key in by_key
    }


def _scores_by(
    pages: Iterable[PageScore], group: Callable[[PageScore], str | None]
) -> dict[str, dict[str, Score]]:
    members: dict[str, list[PageScore]] = {}
    for page in pages:
        if (name := group(page)) is not None:
            members.setdefault(name, []).append(page)
    return {name: _scores(pages) for name, pages in members.items()}


def compare_runs(first: Run, second: Run, second_name: str | None = None) -> Comparison | None:
    """The CERs of two runs on the pages that both have, with the same truth; None without any."""
    key = BY_KEY["cer"].key
    theirs = {page.page: page.ratios.get(key) for page in second.pages}
    pairs = [
        (mine, other)
        for page in first.pages
        if (mine := page.ratios.get(key)) and (other := theirs.get(page.page))
        if mine.whole == other.whole
    ]
    if not pairs:
        return None
    return compare(
        first.engine, [a for a, _ in pairs], second_name or second.engine, [b for _, b in pairs]
    )
