"""The server beside vLLM's offline engine, which does the same work without HTTP."""

from __future__ import annotations

import math
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import offline
import report
from load import TOKENS, Request, chat, full_pages, run
from servers import own_server, wait_for
from turns import Clock, take_turns

from qwen_ocr_serve.launch.cpu import engine_threads
from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.launch.local_server import LocalServer
from qwen_ocr_serve.settings import ServeSettings

MIN_OF_LIMIT = 0.97
"""Limit at saturation, as a share of the offline engine's throughput."""
SATURATION = 256
"""Pages at once with which the engine is full."""
MOST_SERVERS = 4
"""So many servers at most for the limit of the whole machine, each of which takes 2 GB."""
ROUND_SECONDS = 30.0
"""Least length of a round over HTTP: when it begins, the engine waits for half a second."""
PAIRS = 4
"""Pairs of a round over HTTP and one without it; the mean of their ratios counts."""


def configurations() -> list[tuple[int, int]]:
    """Servers, and threads of each: the default, one with a core for HTTP, one for each core."""
    installation = Installation.detect()
    told = os.environ.get("OMP_NUM_THREADS")

    def threads(servers: int) -> int:
        return engine_threads(ServeSettings(replicas=servers), installation, told)

    cores = installation.cores
    found = [(1, threads(1))]
    if cores > 1:
        if threads(1) >= cores:
            found.append((1, cores - 1))
        servers = min(cores, MOST_SERVERS)
        found.append((servers, threads(servers)))
    return found


def against_the_limit() -> tuple[dict[str, Any], bool]:
    """Pages per second over HTTP and without it, the same engine arguments and kind of images."""
    rows = []
    for servers, threads in configurations():
        with (
            ready_servers(servers, threads) as server,
            offline_engine(servers * threads) as engine,
        ):
            http, limit = zip(*pairs(server, engine), strict=True)
        ratio, error = report.mean_and_error([a / b for a, b in zip(http, limit, strict=True)])
        speeds = (statistics.mean(http), statistics.mean(limit))
        rows.append((servers, threads, *speeds, ratio, error, ratio >= MIN_OF_LIMIT))
    header = ["servers", "threads of each", "pages/s over HTTP", "offline engine, as many threads"]
    header += ["ratio", "±", f"at least {MIN_OF_LIMIT}"]
    report.show(f"against the limit, {SATURATION} pages at once", header, rows)
    return {"header": header, "rows": rows}, all(kept for *_, kept in rows)


def pairs(server: LocalServer, engine: OfflineEngine) -> Iterator[tuple[float, float]]:
    """Pages per second of both in rounds of the same length, after one that warms up."""
    pages = full_pages(TOKENS)
    count = SATURATION
    for number in range(1 + PAIRS):
        requests = [chat("mini", image, TOKENS) for image in pages.take(count)]
        engine.prepare(count)

        def over_http(clock: Clock, requests: list[Request] = requests) -> float:
            load = run(server.base_url, requests, SATURATION, clock=clock)
            if load.failed:
                raise SystemExit(f"{load.failed} of {len(requests)} requests failed")
            return load.pages_per_second

        found = take_turns((server.process.pid, engine.process.pid), (over_http, engine.read))
        print("over HTTP {:.2f}, offline {:.2f} pages/s".format(*found), flush=True)
        if number:
            yield found[0], found[1]
        # The fastest so far says how many pages the next round needs.
        count = max(count, SATURATION * math.ceil(max(found) * ROUND_SECONDS / SATURATION))


@contextmanager
def ready_servers(count: int, threads: int) -> Iterator[LocalServer]:
    """So many servers behind a balancer, or a single one; all of them ready."""
    told = {"OMP_NUM_THREADS": str(threads)}
    with own_server("--replicas", str(count), env=told) as server:
        if count > 1:
            for number in range(count):
                wait_for(f"http://127.0.0.1:{server.port + 1 + number}")
        yield server


@contextmanager
def offline_engine(threads: int) -> Iterator[OfflineEngine]:
    """The offline engine with so many threads; it is killed when the block fails."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("offline.py")), str(TOKENS)],
        env=offline.environment(threads),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield OfflineEngine(process)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        process.communicate()


class OfflineEngine:
    """What is said to the process of an offline engine, and what it answers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._count = 0

    def prepare(self, count: int) -> None:
        """Wait until it has so many pages to read."""
        self._count = count
        self._tell(str(count), offline.READY)

    def read(self, clock: Clock) -> float:
        """Wait until it has read them, and return the pages per second."""
        started = clock()
        self._tell("", offline.DONE)
        return self._count / (clock() - started)

    def _tell(self, line: str, answer: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(line, file=self.process.stdin, flush=True)
        for said in self.process.stdout:
            if said.rstrip() == answer:
                return
        raise RuntimeError("the offline engine ended, see above")
