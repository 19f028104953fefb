"""One evaluation from beginning to end: read what is missing, sum up, compare, report."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from qwen_ocr.errors import ConfigurationError
from qwen_ocr_tools.evaluation.dataset import Dataset, TruthPart
from qwen_ocr_tools.evaluation.engines import Engine
from qwen_ocr_tools.evaluation.journal import Journal
from qwen_ocr_tools.evaluation.readings import Reading
from qwen_ocr_tools.evaluation.report import write_report
from qwen_ocr_tools.evaluation.runner import pending, run
from qwen_ocr_tools.evaluation.statistics import Comparison
from qwen_ocr_tools.evaluation.summary import (
    Evaluation,
    Readings,
    Run,
    compare_runs,
    load_results,
    summarise,
)

READINGS = "readings"
"""The folder of the journals, in that of the report."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Whom to tell how it goes."""

    begins: Callable[[str, int, int, int], object]
    """An engine by name, pages to read, pages read earlier, and how many of those to read have a
    picture that has changed since."""
    read: Callable[[Reading], object]
    """A page was read."""


def evaluate(
    dataset: Dataset,
    engines: Iterable[Engine],
    folder: Path,
    watcher: Watcher,
    *,
    tasks: Sequence[TruthPart] = ("text",),
    earlier: Path | None = None,
    price_per_hour: float | None = None,
    restart: bool = False,
) -> Evaluation:
    """Read `dataset` with each engine, one after the other, and write the report into `folder`.

    The first engine is compared with the others, and with the run of the same name (or the first)
    in the report `earlier`. Raises `OCRError` for what stops a run; what was read is kept.
    """
    for task in tasks:
        if not any(sample.has(task) for sample in dataset.samples):
            raise ConfigurationError(f"{dataset.name}: no page has a truth for the task {task!r}")
    old = load_results(earlier) if earlier else None
    runs: list[Run] = []
    all_readings: list[Readings] = []
    for engine in engines:
        journal = Journal(folder / READINGS, engine.name, engine.settings, restart=restart)
        _read_missing(dataset, engine, tasks, journal, watcher)
        readings = {key: r for key, r in journal.readings.items() if r.task in tasks}
        runs.append(summarise(engine, dataset, readings, price_per_hour))
        all_readings.append(readings)
        if not runs[0].scores:
            raise ConfigurationError(f"{dataset.name}: every truth is empty; nothing to compare")
    comparisons = [compare_runs(runs[0], other) for other in runs[1:]]
    if old and earlier:
        comparisons.append(_compare_with_earlier(runs[0], old, earlier))
    evaluation = Evaluation(
        dataset.name,
        dataset.format,
        datetime.now(UTC).isoformat(timespec="seconds"),
        version("qwen-ocr"),
        dataset.problems,
        runs,
        [comparison for comparison in comparisons if comparison],
    )
    evaluation.save(folder)
    write_report(folder, evaluation, dataset, all_readings)
    return evaluation


def _read_missing(
    dataset: Dataset, engine: Engine, tasks: Sequence[TruthPart], journal: Journal, watcher: Watcher
) -> None:
    jobs = pending(engine, dataset.samples, tasks, journal)
    readable = [task for task in tasks if task in engine.tasks]
    wanted = sum(sample.has(task) for sample in dataset.samples for task in readable)
    earlier = (journal.readings.get((sample.name, task)) for sample, task, _ in jobs)
    changed = sum(known is not None and known.error is None for known in earlier)
    watcher.begins(engine.name, len(jobs), wanted - len(jobs), changed)
    with journal:
        run(engine, jobs, journal, watcher.read)


def _compare_with_earlier(current: Run, old: Evaluation, path: Path) -> Comparison:
    same = next((run for run in old.runs if run.engine == current.engine), old.runs[0])
    comparison = compare_runs(current, same, f"{same.engine} in {path}")
    if comparison is None:
        raise ConfigurationError(f"{path}: no page with the same truth to compare")
    return comparison
