"""Work in turns, by processes that do nothing but wait."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from turns import SLICE, Clock, take_turns

ANCESTOR = """
import subprocess
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""
"""Has a child in another process group, as a balancer has."""


@pytest.fixture
def families() -> Iterator[list[tuple[int, int]]]:
    """Two processes, each with its child."""
    ancestors = [
        subprocess.Popen(
            [sys.executable, "-c", ANCESTOR],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for _ in range(2)
    ]
    found = []
    for ancestor in ancestors:
        assert ancestor.stdout is not None
        found.append((ancestor.pid, int(ancestor.stdout.readline())))
    yield found
    for _, child in found:
        os.kill(child, signal.SIGKILL)  # and then its parent ends
    for ancestor in ancestors:
        ancestor.communicate()


@pytest.fixture
def processes(families: list[tuple[int, int]]) -> list[int]:
    """The two of them without their children."""
    return [ancestor for ancestor, _ in families]


def stopped(pid: int) -> bool:
    """Whether a process is stopped, by its state in `/proc`."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_only_one_runs_at_any_moment_and_its_clock_with_it(
    families: list[tuple[int, int]],
) -> None:
    seen: list[tuple[bool, ...]] = []

    def work(clock: Clock) -> float:
        started = clock()
        while clock() - started < 2 * SLICE:
            seen.append(tuple(all(map(stopped, family)) for family in families))
            time.sleep(0.02)
        return clock() - started

    began = time.perf_counter()
    took = take_turns([ancestor for ancestor, _ in families], [work, work])
    assert time.perf_counter() - began >= sum(took) - SLICE
    assert took == pytest.approx([2 * SLICE] * 2, abs=SLICE / 2)
    assert {(True, False), (False, True)} <= set(seen)
    # Both run for a moment when the first has ended, and neither while they change places.
    assert seen.count((False, False)) < len(seen) / 4
    assert not any(stopped(pid) for family in families for pid in family)


def test_whoever_is_left_runs_alone(processes: list[int]) -> None:
    def work(clock: Clock) -> float:
        started, began = clock(), time.perf_counter()
        while clock() - started < 4 * SLICE:
            time.sleep(0.01)
        return time.perf_counter() - began

    _, whole = take_turns(processes, [lambda clock: 0.0, work])
    assert whole == pytest.approx(4 * SLICE, abs=SLICE)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit("3 of 4 requests failed")])
def test_nothing_stays_stopped_whatever_happens(processes: list[int], interrupt: object) -> None:
    if interrupt is KeyboardInterrupt and "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("an interrupt can end a process of pytest-xdist; `make test` has none")

    def fail(clock: Clock) -> float:
        time.sleep(SLICE)
        if interrupt is KeyboardInterrupt:
            signal.raise_signal(signal.SIGINT)
            time.sleep(2 * SLICE)
            return 0.0
        raise SystemExit("3 of 4 requests failed")

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        take_turns(processes, [fail, fail])
    assert not any(map(stopped, processes))


def test_a_process_that_has_ended_is_no_error_of_the_turns(processes: list[int]) -> None:
    process = subprocess.Popen(["true"], start_new_session=True)
    process.wait()
    assert take_turns([process.pid, processes[0]], [lambda clock: 1.0, lambda clock: 2.0]) == [1, 2]
