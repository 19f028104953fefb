"""The results as tables for a terminal."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from qwen_ocr.evaluation.charts import number, percent
from qwen_ocr.evaluation.measures import MEASURES
from qwen_ocr.evaluation.statistics import Comparison, Score
from qwen_ocr.evaluation.summary import Evaluation, Run


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
    kinds = runs[0].kinds
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
    speeds = [run.speed for run in runs]
    rows = {
        "pages per second": [s and number(s.pages_per_second) for s in speeds],
        "latency: median, p95, p99 (s)": [s and " · ".join(map(number, s.latency)) for s in speeds],
        "tokens per page, in": [s and s.prompt_tokens and number(s.prompt_tokens) for s in speeds],
        "tokens per page, out": [
            s and s.completion_tokens and number(s.completion_tokens) for s in speeds
        ],
        "cost per million pages": [
            s and s.cost_per_million_pages and number(s.cost_per_million_pages) for s in speeds
        ],
        "confidence error": [r.calibration and percent(r.calibration.error) for r in runs],
        "errors in the least sure 5 %": [
            r.calibration and r.calibration.caught and percent(r.calibration.caught) for r in runs
        ],
    }
    for name, cells in rows.items():
        if any(cells):
            table.add_row(name, *(str(cell or "–") for cell in cells))
    return table
