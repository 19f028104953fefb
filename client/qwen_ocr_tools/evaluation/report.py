"""The report: one HTML file that needs nothing else, in the light or the dark."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from qwen_ocr.errors import OCRError
from qwen_ocr.images import known_size, load_image
from qwen_ocr_tools.evaluation import charts
from qwen_ocr_tools.evaluation.dataset import Dataset, Sample
from qwen_ocr_tools.evaluation.diff import Segment, differences
from qwen_ocr_tools.evaluation.measures import BY_KEY, MEASURES
from qwen_ocr_tools.evaluation.readings import Reading
from qwen_ocr_tools.evaluation.statistics import PERMUTATIONS, RESAMPLES
from qwen_ocr_tools.evaluation.summary import Evaluation, PageScore, Readings, Run

REPORT = "report.html"
WORST = 12
"""Pages that are shown with picture, truth and readings."""
LISTED = 500
"""Pages in the list of all; `results.json` has the rest."""
PICTURE = (900, 1200)
"""Most pixels of a picture in the report, across and down."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot that there is data for."""

    title: str
    hint: str
    picture: Markup
    runs: Sequence[int]
    """Whose colours are in it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A run's reading of a page, beside the truth."""

    run: int
    engine: str
    rate: float | None
    """The page's CER."""
    truth: list[Segment]
    read: list[Segment]
    note: str
    """What was wrong besides: an error, a loop, failed checks."""


@dataclass(frozen=True, slots=True)
class WorstPage:
    """One of the pages that the first run read worst."""

    name: str
    kind: str
    picture: str | None
    """A `data:` URL."""
    readings: list[Shown]


def write_report(
    folder: Path, evaluation: Evaluation, dataset: Dataset, readings: Sequence[Readings]
) -> Path:
    """Write `report.html`; `readings[i]` are those of `evaluation.runs[i]`."""
    environment = Environment(
        loader=PackageLoader("qwen_ocr_tools.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": charts.percent, "number": charts.number}
    used = [m for m in MEASURES if any(m.key in run.scores for run in evaluation.runs)]
    kinds = list(dict.fromkeys(kind for run in evaluation.runs for kind in run.kinds))
    html = environment.get_template("report.html.j2").render(
        evaluation=evaluation,
        measures=used,
        kinds=kinds,
        by_kind={kind: [run.kinds.get(kind, {}) for run in evaluation.runs] for kind in kinds},
        by_language={
            language: [run.languages.get(language, {}) for run in evaluation.runs]
            for language in evaluation.runs[0].languages
        },
        plots=list(_plots(evaluation.runs, kinds)),
        worst=_worst_pages(evaluation.runs, dataset, readings),
        listed=_listed(evaluation.runs),
        resamples=RESAMPLES,
        permutations=PERMUTATIONS,
        left=max(0, len(evaluation.runs[0].pages) - LISTED),
    )
    path = folder / REPORT
    path.write_text(html, encoding="utf-8")
    return path


def _plots(runs: Sequence[Run], kinds: Sequence[str]) -> Iterator[Plot]:
    cer = BY_KEY["cer"].key
    everyone = range(len(runs))
    groups = [(kind, [run.kinds.get(kind, {}).get(cer) for run in runs]) for kind in kinds]
    if any(score for _, scores in groups for score in scores):
        title = "Error by kind"
        hint = "CER with its 95 % interval. Short bars are good."
        yield Plot(title, hint, charts.bars(groups, title), everyone)
    points = [
        (run.speed.pages_per_second, run.scores[cer], index, run.engine)
        for index, run in enumerate(runs)
        if run.speed and cer in run.scores
    ]
    if len(points) > 1:
        title = "Accuracy against speed"
        hint = "Low and to the right is good."
        yield Plot(title, hint, charts.tradeoff(points, title), everyone)
    calibrated = [(i, run.calibration) for i, run in enumerate(runs) if run.calibration]
    if calibrated:
        title = "Is the confidence true?"
        hint = "On the dashed line, of words that are held to be 80 % sure 80 % are right."
        drawn = [index for index, _ in calibrated]
        yield Plot(title, hint, charts.reliability(calibrated, title), drawn)
    pages = [
        (page.confidence, page.ratios[cer].value, index, page.page)
        for index, run in enumerate(runs)
        for page in run.pages
        if page.confidence is not None and cer in page.ratios
    ]
    if pages:
        title = "Confidence against error"
        hint = "A point per page: its mean confidence, and the share of characters misread."
        labels = ("confidence of the page", "CER")
        drawn = sorted({index for _, _, index, _ in pages})
        yield Plot(title, hint, charts.scatter(pages, labels, title), drawn)
    latencies = [
        (index, values)
        for index, run in enumerate(runs)
        if (values := [p.latency for p in run.pages if p.error is None and p.latency])
    ]
    if latencies:
        title = "Latency"
        hint = "Share of pages that were there after so many seconds, under full load."
        drawn = [index for index, _ in latencies]
        yield Plot(title, hint, charts.cumulative(latencies, title), drawn)


def _badness(page: PageScore) -> float:
    """Edits, which is what a page adds to the error; for pages with checks, those that fail."""
    if cer := page.ratios.get("cer"):
        return cer.part
    checks = page.ratios.get("checks")
    return checks.whole - checks.part if checks else 0.0


def _ranked(run: Run) -> list[PageScore]:
    return sorted(run.pages, key=_badness, reverse=True)


def _worst_pages(
    runs: Sequence[Run], dataset: Dataset, readings: Sequence[Readings]
) -> list[WorstPage]:
    samples = {sample.name: sample for sample in dataset.samples}
    worst = [page for page in _ranked(runs[0])[:WORST] if _badness(page) > 0]
    return [
        WorstPage(
            page.page,
            page.kind,
            _picture(samples[page.page]),
            [
                _shown(index, run, samples[page.page], reading)
                for index, run in enumerate(runs)
                if (reading := readings[index].get((page.page, "text")))
            ],
        )
        for page in worst
    ]


def _shown(index: int, run: Run, sample: Sample, reading: Reading) -> Shown:
    notes = [f"{reading.finish_reason}: text is missing"] * (reading.finish_reason != "stop")
    notes += [reading.error] if reading.error else []
    notes += [
        f"fails: {check.model_dump_json(exclude_defaults=True)}"
        for check in sample.checks
        if not check.passes(reading.text)
    ]
    truth, read = differences(sample.text or "", reading.text)
    if sample.text is None:
        truth, read = [], [Segment(reading.text, "same")]
    ratio = BY_KEY["cer"].of(sample, reading)
    rate = ratio.value if ratio else None
    return Shown(index, run.engine, rate, truth, read, "; ".join(notes))


def _picture(sample: Sample) -> str | None:
    try:
        image = known_size(load_image(sample.image())).image
        image.thumbnail(PICTURE, Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "WEBP", quality=80)
    except (OCRError, OSError):
        return None  # the page's error says why
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _listed(runs: Sequence[Run]) -> list[tuple[PageScore, list[PageScore | None]]]:
    """The pages from bad to good, each with all runs' scores of it."""
    others: list[Mapping[str, PageScore]] = [{p.page: p for p in run.pages} for run in runs]
    return [
        (page, [scores.get(page.page) for scores in others]) for page in _ranked(runs[0])[:LISTED]
    ]
