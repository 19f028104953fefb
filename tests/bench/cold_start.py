"""Where the time of a cold start goes, by process and phase.

What ends a phase is a line of vLLM's log, or something that can be seen from outside: the command
becoming vLLM's, the server's health, an answer. A line that this vLLM does not write is no error:
its phase then counts with the next one.
"""

from __future__ import annotations

import json
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from load import chat, evaluation_pages, run
from processes import members, processor_seconds

from qwen_ocr_serve.launch.local_server import LocalServer

EVERY = 0.05
"""Seconds between two looks at the processes."""
COMMAND = "command: settings and checks"
READY = "API server: routes, until it is healthy"
ANSWER = "the first answer"
LINES = (
    ("non-default args", "API server: imports"),
    ("Initializing a V1 LLM engine", "API server: configuration; engine: its process"),
    ("Starting to load model", "engine: device, worker"),
    ("KV cache size:", "engine: weights"),
    ("init engine (", "engine: KV cache, warm-up"),
    ("Supported tasks", "engine: rest"),
)
"""What stands in the line of the log that ends a phase, and the phase."""
_IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| *([^. ]+)")


@dataclass
class Observed:
    """Processor seconds of all of a server's processes together, the dead ones included."""

    times: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def at(self, moment: float) -> float:
        """What had been used at a time, in seconds since the epoch."""
        number = bisect_right(self.times, moment)
        return self.seconds[number - 1] if number else 0.0


def log_times(lines: Iterable[str], marks: Sequence[tuple[str, str]]) -> dict[str, float]:
    """When each phase ended, in seconds since the epoch, from vLLM's log in JSON."""
    found: dict[str, float] = {}
    for line in lines:
        try:
            record = json.loads(line)
            message, written = str(record["message"]), str(record["asctime"])
        except (ValueError, KeyError, TypeError):
            continue  # what libraries print
        for text, phase in marks:
            if text in message and phase not in found:
                found[phase] = (
                    datetime.strptime(written, "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()
                )
    return found


def breakdown(
    started: float, ends: Mapping[str, float], used: Observed
) -> list[tuple[str, float, float]]:
    """Phase, its seconds, and the processor seconds of all processes in it, in order of time."""
    rows = []
    before, used_before = started, 0.0
    for phase, end in sorted(ends.items(), key=lambda item: item[1]):
        used_then = used.at(end)
        rows.append((phase, end - before, used_then - used_before))
        before, used_before = end, used_then
    return rows


def imports(lines: Iterable[str]) -> dict[str, float]:
    """Seconds of importing by package, of the command and of the API server that it becomes.

    From a log with the lines of `python -X importtime`. The engine is a fork of the API server, and
    imports next to nothing. Imports take longer when they are timed, and a package's seconds hold
    the garbage collections in them.
    """
    packages: dict[str, float] = {}
    for line in lines:
        if LINES[1][0] in line:
            break
        if found := _IMPORT.match(line):
            packages[found[2]] = packages.get(found[2], 0.0) + int(found[1]) / 1e6
    return packages


def start(env: Mapping[str, str] | None = None) -> tuple[list[tuple[str, float, float]], list[str]]:
    """Start a server, have one line read, stop it; the phases, and the lines of its log."""
    image = evaluation_pages("line").take(1)[0]
    with TemporaryDirectory() as folder:
        log = Path(folder, "server.log")
        used = Observed()
        ends: dict[str, float] = {}
        stop = threading.Event()
        started = time.time()
        # In JSON, times have milliseconds.
        with LocalServer(log, ["--log-format", "json"], env) as server:
            group = server.process.pid

            def watch() -> None:
                while not stop.wait(EVERY):
                    used.times.append(time.time())
                    used.seconds.append(
                        sum(
                            processor_seconds(pid, with_dead_children=True)
                            for pid in members(group)
                        )
                    )
                    if (
                        COMMAND not in ends
                        and b"vllm." in Path(f"/proc/{group}/cmdline").read_bytes()
                    ):
                        ends[COMMAND] = time.time()

            watcher = threading.Thread(target=watch, daemon=True)
            watcher.start()
            try:
                server.wait_until_ready()
                ends[READY] = time.time()
                load = run(server.base_url, [chat("mini", image, 1)], 1)
                ends[ANSWER] = time.time()
            finally:
                stop.set()
                watcher.join()
            if load.failed:
                raise RuntimeError(f"the first page was not read:\n{server.log_tail()}")
        lines = log.read_text(errors="replace").splitlines()
    return breakdown(started, ends | log_times(lines, LINES), used), lines


def measure(rounds: int) -> dict[str, Any]:
    """Rows of the best of `rounds` starts, of a first one on a machine, and of imports.

    vLLM keeps what it found out about a model's class in a cache; the first start fills it.
    """
    with TemporaryDirectory() as empty:
        first, _ = start({"VLLM_CACHE_ROOT": empty})
    print(f"first start: {_total(first):.1f} s", flush=True)
    starts = []
    for _ in range(rounds):
        starts.append(start()[0])
        print(f"start: {_total(starts[-1]):.1f} s", flush=True)
    _, lines = start({"PYTHONPROFILEIMPORTTIME": "1"})
    packages = imports(lines)
    largest = sorted(packages, key=packages.__getitem__, reverse=True)[:8]
    rows = [*((name, packages[name]) for name in largest), ("all", sum(packages.values()))]
    return {"first": first, "best": min(starts, key=_total), "imports": rows}


def _total(rows: Sequence[tuple[str, float, float]]) -> float:
    return sum(seconds for _, seconds, _ in rows)
