"""Runs engines over datasets: what is not in the journal yet, as fast as they take it."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime

from qwen_ocr.errors import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    OCRConnectionError,
    OCRError,
    OCRTimeoutError,
    OverloadedError,
    UnsupportedTaskError,
)
from qwen_ocr_tools.evaluation.dataset import Sample, TruthPart
from qwen_ocr_tools.evaluation.engines import Engine
from qwen_ocr_tools.evaluation.journal import Journal
from qwen_ocr_tools.evaluation.readings import Reading

FATAL = (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    OCRConnectionError,
    OverloadedError,
    UnsupportedTaskError,
)
"""Not the page's fault: every further page would fail, too. `OCRTimeoutError` is not meant."""


def pending(
    engine: Engine, samples: Iterable[Sample], tasks: Sequence[TruthPart], journal: Journal
) -> list[tuple[Sample, TruthPart, str]]:
    """What has to be read yet, with the digest of its picture.

    That is what was not read, or in vain, or from another picture.
    """
    jobs = []
    for sample in samples:
        digest = sample.digest()
        for task in tasks:
            if task not in engine.tasks or not sample.has(task):
                continue
            known = journal.readings.get((sample.name, task))
            if known is None or known.error is not None or known.digest != digest:
                jobs.append((sample, task, digest))
    return jobs


def run(
    engine: Engine,
    jobs: Sequence[tuple[Sample, TruthPart, str]],
    journal: Journal,
    on_page: Callable[[Reading], object] = lambda reading: None,
) -> None:
    """Read `jobs` into the journal, `engine.concurrency` at a time.

    A page that cannot be read is a reading with an error. Raises the `OCRError` that all further
    pages would meet, too; what was read until then is in the journal.
    """
    session = datetime.now(UTC).isoformat(timespec="milliseconds")
    started = time.perf_counter()
    pool = ThreadPoolExecutor(engine.concurrency, "qwen-ocr-eval")
    try:
        futures = {pool.submit(_read, engine, sample, task): key for sample, task, key in jobs}
        for future in as_completed(futures):
            reading = future.result().model_copy(
                update={
                    "digest": futures[future],
                    "session": session,
                    "at": time.perf_counter() - started,
                }
            )
            journal.add(reading)
            on_page(reading)
    finally:
        # Not to be waited for: who interrupts this does not want to stay for the slowest page.
        pool.shutdown(wait=False, cancel_futures=True)


def _read(engine: Engine, sample: Sample, task: TruthPart) -> Reading:
    try:
        return engine.read(sample, task)
    except OCRError as exc:
        if isinstance(exc, FATAL) and not isinstance(exc, OCRTimeoutError):
            raise
        return Reading(page=sample.name, task=task, error=str(exc))
