"""What a server's processes cost, read from /proc: memory, and when each was born."""

from __future__ import annotations

import math
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICKS = os.sysconf("SC_CLK_TCK")


def members(group: int) -> list[int]:
    """The processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


def born(pid: int) -> float:
    """Seconds since the epoch when a process was started, to a hundredth."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - uptime + int(fields[19]) / _TICKS


def memory(group: int) -> float:
    """MiB that a process group holds: proportional set sizes, so shared pages count once."""
    total = 0
    for pid in members(group):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


@dataclass
class Peak:
    """The largest memory seen so far, in MiB."""

    mib: float


@contextmanager
def peak_memory(group: int | None, every: float = 0.5) -> Iterator[Peak]:
    """Watch a process group's memory during the block; NaN for a group on another machine."""
    peak = Peak(0.0 if group else math.nan)
    if group is None:
        yield peak
        return
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(every):
            peak.mib = max(peak.mib, memory(group))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()
