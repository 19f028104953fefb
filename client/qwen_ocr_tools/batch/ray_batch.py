"""A batch as a Ray Data job: this process lists files and keeps the output, workers read.

The output is the checkpoint, as it is for any batch: what workers send back is written to it as it
comes, and a stopped batch goes on from there, with Ray or without. Files are given out in rounds,
so that neither this process nor Ray's object store ever holds a list of all of them.
"""

import asyncio
import logging
import os
import pickle
import socket
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from math import ceil
from urllib.parse import urlsplit

from qwen_ocr.errors import ConfigurationError, OCRError
from qwen_ocr.outcomes import Outcome
from qwen_ocr_tools.batch.batch import Batch
from qwen_ocr_tools.batch.listing import list_files
from qwen_ocr_tools.batch.reading import Job, check_servers
from qwen_ocr_tools.batch.server import MOST
from qwen_ocr_tools.batch.spread import retries

# Ray reads these when it is imported. Nothing of a batch is reported to Ray's makers, and its
# warnings about its own insides are not shown.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# When a batch is stopped, a thread may still wait for Ray: it is not to start another one then.
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
try:
    import pyarrow as pa
    import ray
    import ray.data
    from ray.data.exceptions import ExecutionTimeoutError

    from qwen_ocr_tools.batch.ray_worker import FileDone, FileReader, FileTask, WorkerSettings
except ImportError as error:
    raise ConfigurationError(f"--ray needs {error.name}: pip install 'qwen-ocr[ray]'") from error

ROUND = 100
"""Files in a round for each page that is read at a time: many, because servers run empty at its end
and the next one starts its workers anew."""
CALLS = 32
"""Calls of a worker that run side by side. Each answers when all of its files are done: the more
calls, the fewer files in one, and the sooner what is done is kept."""
PATIENCE = 600.0
"""Seconds for which nothing may come back, beyond those for which workers wait for a page: Ray
replaces a lost worker without end, and a file may be what ends it."""
NAMED = 5
"""Files that an error names, of those that have not come back."""
CONNECT_TIMEOUT = 10.0
"""Seconds in which a cluster must take a connection."""
OBJECT_STORE = 200 * 2**20
"""Bytes that Ray's object store on this machine may hold: names and texts, no images."""


@dataclass(slots=True, kw_only=True)
class RayBatch(Batch):
    """Files that Ray's workers read: on the cluster of RAY_ADDRESS, or else on this machine."""

    dpi: float
    concurrency: int
    """Pages at a time, of all workers together."""

    async def outcomes(self) -> AsyncGenerator[Outcome[Job], None]:
        """The pages of a file after the other, as files are done."""
        files = self.files()
        first = next(files, None)
        if first is None:
            return
        with _ray(self.spec.workers) as workers:
            work = WorkerSettings(
                servers=self.spec.servers,
                prompt=self.spec.prompt,
                options=self.spec.options,
                dpi=self.dpi,
                concurrency=min(ceil(self.concurrency / workers), MOST),
            )
            files = chain([first], files)
            while tasks := list(islice(files, ROUND * work.concurrency * workers)):
                rows = _read(tasks, work, workers)
                left = {task.name for task in tasks}
                try:
                    while file := await asyncio.to_thread(_next, rows, left):
                        self.progress.tally.opened += 1
                        self.progress.tally.met += len(file.pages)
                        for page in file.pages:
                            yield page
                finally:
                    # While Ray is there: later, it would print a traceback. Where a thread is in
                    # it, which is a ValueError, it ends with Ray.
                    with suppress(ValueError):
                        rows.close()

    async def check(self, error: OCRError) -> None:
        """See `check_servers`."""
        await check_servers(error, self.spec.servers)

    def files(self) -> Iterator[FileTask]:
        """The files some of whose pages are to be read."""
        tally = self.progress.tally
        for name, version in list_files(self.spec.inputs, self.progress):
            size, changed = version
            pages = range(1, self.journal.pages_known(name, version) + 1)
            about = {"file": name, "bytes": size, "mtime_ns": changed}
            settled = frozenset(page for page in pages if self.is_settled(about | {"page": page}))
            tally.met += len(settled)
            if len(settled) < len(pages):
                yield FileTask(name, version, settled)
            else:
                tally.opened += 1


def _require_listener(address: str) -> None:
    """Raise `OCRError` if nothing takes connections there: Ray would try without end."""
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        if parts.port is None:
            return  # `auto`, `local`: Ray knows at once
        socket.create_connection((parts.hostname or "", parts.port), CONNECT_TIMEOUT).close()
    except (OSError, ValueError) as exc:
        raise OCRError(
            f"no Ray cluster answers at RAY_ADDRESS={address} ({exc}): start one with `ray start "
            "--head`, or unset the variable to read on this machine"
        ) from exc


@contextmanager
def _ray(workers: int | None) -> Iterator[int]:
    """Ray, for as long as the `with` block lasts, and the number of its workers."""
    cluster = os.environ.get("RAY_ADDRESS")
    if cluster:
        _require_listener(cluster)
    here = {
        "address": "local",
        "num_cpus": workers,
        "object_store_memory": OBJECT_STORE,
        "include_dashboard": False,
    }
    # What goes wrong is raised as well; and a batch that is stopped is no error.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        ray.init(
            **({"address": cluster} if cluster else here),
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as exc:  # a start that takes too long raises this very class
        advice = "; a cluster with tokens needs RAY_AUTH_MODE=token" if cluster else ""
        raise OCRError(f"Ray does not start: {exc}{advice}") from exc
    try:
        yield workers or int(ray.cluster_resources()["CPU"])  # type: ignore[no-untyped-call]
    finally:
        ray.shutdown()


def _read(
    tasks: list[FileTask], work: WorkerSettings, workers: int
) -> Generator[FileDone, None, None]:
    """The files as they are done."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    settings = work.servers[0]
    context.execution_no_progress_timeout_s = PATIENCE + settings.timeout * (1 + retries(settings))
    # What belongs to one call: the calls of a worker have twice what it reads at a time.
    size = max(2 * work.concurrency // CALLS, 1)
    calls = (tasks[start : start + size] for start in range(0, len(tasks), size))
    dataset = ray.data.from_arrow(
        [pa.table({"tasks": [pickle.dumps(task) for task in call]}) for call in calls]
    ).map_batches(
        FileReader,
        fn_constructor_args=[work],
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=workers, max_concurrent_calls_per_actor=CALLS),
    )
    batches = dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    batch: pa.Table
    for batch in batches:
        yield from map(pickle.loads, batch["done"].to_pylist())


def _next(rows: Iterator[FileDone], left: set[str]) -> FileDone | None:
    """The next file, which is no longer `left` then; None after the last.

    Raises `OCRError` when Ray cannot go on.
    """
    try:
        file = next(rows, None)
    except ray.exceptions.RayTaskError:
        raise  # a fault of ours, or of the workers' installation
    except (ray.exceptions.RayError, ExecutionTimeoutError) as exc:
        raise OCRError(f"Ray gave up: {exc} Not read: {_some(left)}") from exc
    if file:
        left.remove(file.name)
    elif left:
        raise OCRError(f"Ray ended without {_some(left)}: run the same command again")
    return file


def _some(names: set[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(sorted(names)[:NAMED]) + more
