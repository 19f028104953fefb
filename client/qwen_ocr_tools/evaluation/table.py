"""The results as tables for a terminal."""

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from qwen_ocr_tools.evaluation.charts import number, percent
from qwen_ocr_tools.evaluation.measures import MEASURES
from qwen_ocr_tools.evaluation.statistics import Comparison, Score
from qwen_ocr_tools.evaluation.summary import Evaluation, Run


def tables(evaluation: Evaluation) -> Group:
    """The leading measure by kind of page, the other measures, and the comparisons."""
    lines = [Text(describe(comparison)) for comparison in evaluation.comparisons]
    return Group(_by_kind(evaluation.runs), _measures(evaluation.runs), *lines)


def describe(comparison: Comparison) -> str:
    """One sentence on whether a difference is real."""
    c = comparison
    verdict = "the difference is real" if c.real else "it may be chance"
    return (
        f"{c.first} {percent(c.first_cer)}, {c.second} {percent(c.second_cer)} CER on {c.pages} "
        f"pages: {100 * c.difference:+.1f} points (95 % interval {100 * c.low:+.1f} to "
        f"{100 * c.high:+.1f}, p = {c.p:.4f}): {verdict}"
    )


def _by_kind(runs: Sequence[Run]) -> Table:
    lead = next(measure for measure in MEASURES if measure.key in runs[0].scores)
    names = [run.engine for run in runs]
    table = Table("kind", "pages", *names, title=f"{lead.label} (95 % interval)")
    # Where all pages are of one kind, the last row says it all.
    kinds = runs[0].kinds if len(runs[0].kinds) > 1 else {}
    for index, kind in enumerate(kinds, 1):
        pages = sum(page.kind == kind for page in runs[0].pages)
        cells = (_cell(run.kinds.get(kind, {}).get(lead.key)) for run in runs)
        table.add_row(Text(kind), str(pages), *cells, end_section=index == len(kinds))
    table.add_row("all", str(len(runs[0].pages)), *(_cell(r.scores.get(lead.key)) for r in runs))
    return table


def _cell(score: Score | None) -> str:
    if score is None:
        return "–"
    return f"{percent(score.micro)} ({percent(score.low)} to {percent(score.high)})"


def _measures(runs: Sequence[Run]) -> Table:
    table = Table("", *(run.engine for run in runs))
    for measure in MEASURES:
        scores = [run.scores.get(measure.key) for run in runs]
        if any(scores):
            values = [getattr(s, measure.average) if s else None for s in scores]
            table.add_row(measure.label, *("–" if v is None else percent(v) for v in values))
    for name, cells in _numbers(runs):
        if any(cells):
            table.add_row(name, *(cell or "–" for cell in cells))
    return table


def _numbers(runs: Sequence[Run]) -> Iterator[tuple[str, list[str | None]]]:
    """What is not a measure, with a cell per run; None where a run has none."""
    speeds = [run.speed for run in runs]
    calibrations = [run.calibration for run in runs]
    yield "pages per second", [number(s.pages_per_second) if s else None for s in speeds]
    latencies = [" · ".join(map(number, s.latency)) if s else None for s in speeds]
    yield "latency: median, p95, p99 (s)", latencies
    yield "tokens per page, in", [_number(s.prompt_tokens if s else None) for s in speeds]
    yield "tokens per page, out", [_number(s.completion_tokens if s else None) for s in speeds]
    costs = [_number(s.cost_per_million_pages if s else None) for s in speeds]
    yield "cost per million pages", costs
    yield "confidence error", [percent(c.error) if c else None for c in calibrations]
    caught = [c.caught if c else None for c in calibrations]
    yield "errors in the least sure 5 %", [None if c is None else percent(c) for c in caught]


def _number(value: float | None) -> str | None:
    return None if value is None else number(value)
