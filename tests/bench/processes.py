"""What a server's processes cost, read from /proc: memory, processor time, and when each began."""

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
_GONE = (FileNotFoundError, ProcessLookupError)


def members(group: int) -> list[int]:
    """The processes of a process group."""
    found = []
    for pid in _all():
        try:
            if os.getpgid(pid) == group:
                found.append(pid)
        except ProcessLookupError:
            continue
    return found


def groups(ancestor: int) -> set[int]:
    """The process groups of a process and of all that descend from it."""
    family = {}
    for pid in _all():
        try:
            family[pid] = _statistics(pid)[:2]
        except _GONE:
            continue
    found = [ancestor] if ancestor in family else []
    for member in found:
        found += [child for child, (parent, _) in family.items() if parent == member]
    return {family[member][1] for member in found}


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _statistics(pid: int) -> list[int]:
    """The numbers of /proc/PID/stat from the parent's process id on, field 4 of its manual."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(field) for field in fields[1:]]


def born(pid: int) -> float:
    """Seconds since the epoch when a process was started, to a hundredth."""
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - uptime + _statistics(pid)[18] / _TICKS


def processor_seconds(pid: int, *, with_dead_children: bool = False) -> float:
    """User and system time of a process so far, to a hundredth; 0 when it is gone."""
    try:
        times = _statistics(pid)[10:14]
    except _GONE:
        return 0.0
    return sum(times if with_dead_children else times[:2]) / _TICKS


def memory(group: int) -> float:
    """MiB that a process group holds: proportional set sizes, so shared pages count once."""
    total = 0
    for pid in members(group):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except _GONE:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


@dataclass
class Usage:
    """What a process group used during a block; NaN for a group on another machine."""

    peak_mib: float = math.nan
    """The largest memory seen."""
    leader_cores: float = math.nan
    """Processor seconds per second of the group's leader: the API server, for a server."""
    other_cores: float = math.nan
    """The same of all the other processes: the engine."""


@contextmanager
def watched(group: int | None, every: float = 0.5) -> Iterator[Usage]:
    """Watch a process group during the block; None is a group on another machine."""
    usage = Usage()
    if group is None:
        yield usage
        return
    usage.peak_mib = memory(group)
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(every):
            usage.peak_mib = max(usage.peak_mib, memory(group))

    thread = threading.Thread(target=watch, daemon=True)
    used = {pid: processor_seconds(pid) for pid in members(group)}
    started = time.perf_counter()
    thread.start()
    try:
        yield usage
    finally:
        seconds = time.perf_counter() - started
        cores = {pid: (processor_seconds(pid) - was) / seconds for pid, was in used.items()}
        usage.leader_cores = cores.pop(group, 0.0)
        usage.other_cores = sum(cores.values())
        stop.set()
        thread.join()
