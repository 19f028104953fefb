"""Both sides of a comparison at work at the same time, of which only one runs at any moment.

The speed of a shared machine changes by a third within seconds. Rounds of half a minute, one after
the other, then differ by a tenth although nothing else does; slices of a third of a second meet the
same machine, and the sides of a pair of rounds differ by a hundredth.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from processes import groups

SLICE = 0.3
"""Seconds in which one side runs and the others are stopped."""


class Clock:
    """Seconds for which a process has run; it stands still while that is stopped.

    With the process, all that descend from it are stopped, as the servers behind a balancer do.
    """

    def __init__(self, ancestor: int) -> None:
        self._groups = groups(ancestor)
        self._ran = 0.0
        self._since: float | None = time.perf_counter()
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """The seconds so far, from any thread."""
        with self._lock:
            since = time.perf_counter() if self._since is None else self._since
            return self._ran + time.perf_counter() - since

    def stop(self) -> None:
        """Stop the processes that have not ended."""
        with self._lock:
            self._signal(signal.SIGSTOP)
            if self._since is not None:
                self._ran += time.perf_counter() - self._since
            self._since = None

    def go_on(self) -> None:
        """Let them run again."""
        with self._lock:
            if self._since is None:
                self._since = time.perf_counter()
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):  # whoever waits for it says so
                os.killpg(group, number)


def take_turns(processes: Sequence[int], works: Sequence[Callable[[Clock], float]]) -> list[float]:
    """Do all works, each with the process in its place, and return what they return.

    A work is called in a thread of its own with its process's clock, which measures how long that
    took. Whoever calls this is never stopped. When a work has ended, its process runs on, and has
    to be idle. The first exception of a work is raised; whatever happens, none stays stopped.
    """
    clocks = [Clock(process) for process in processes]
    pool = ThreadPoolExecutor(len(works))
    try:
        for clock in clocks:
            clock.stop()
        futures = [pool.submit(work, clock) for work, clock in zip(works, clocks, strict=True)]
        running: list[tuple[Future[float], Clock]] = list(zip(futures, clocks, strict=True))
        while running:
            for future, clock in running:
                clock.go_on()
                wait([future], SLICE)
                if future.done():
                    future.result()
                else:
                    clock.stop()
            running = [(future, clock) for future, clock in running if not future.done()]
        return [future.result() for future in futures]
    finally:
        for clock in clocks:
            clock.go_on()
        pool.shutdown(wait=False)
