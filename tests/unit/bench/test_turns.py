"""Work in turns, by processes that do nothing but count."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from turns import SLICE, Clock, take_turns

COUNT = "import time\nwhile print('.', flush=True) is None: time.sleep(0.01)"


@pytest.fixture
def groups() -> Iterator[list[int]]:
    """Two process groups that go on until they are killed."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COUNT], stdout=subprocess.DEVNULL, start_new_session=True
        )
        for _ in range(2)
    ]
    yield [process.pid for process in processes]
    for process in processes:
        process.kill()
        process.wait()


def stopped(pid: int) -> bool:
    """Whether a process is stopped, by its state in `/proc`."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_only_one_runs_at_any_moment_and_its_clock_with_it(groups: list[int]) -> None:
    seen: list[tuple[bool, ...]] = []

    def work(clock: Clock) -> float:
        started = clock()
        while clock() - started < 2 * SLICE:
            seen.append(tuple(stopped(group) for group in groups))
            time.sleep(0.02)
        return clock() - started

    began = time.perf_counter()
    took = take_turns(groups, [work, work])
    assert time.perf_counter() - began >= sum(took) - SLICE
    assert took == pytest.approx([2 * SLICE] * 2, abs=SLICE / 2)
    assert {(True, False), (False, True)} <= set(seen)
    # Both run for a moment when the first has ended, and neither while they change places.
    assert seen.count((False, False)) < len(seen) / 4
    assert not any(map(stopped, groups))


def test_whoever_is_left_runs_alone(groups: list[int]) -> None:
    def work(clock: Clock) -> float:
        started, began = clock(), time.perf_counter()
        while clock() - started < 4 * SLICE:
            time.sleep(0.01)
        return time.perf_counter() - began

    _, whole = take_turns(groups, [lambda clock: 0.0, work])
    assert whole == pytest.approx(4 * SLICE, abs=SLICE)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit("3 of 4 requests failed")])
def test_no_group_stays_stopped_whatever_happens(groups: list[int], interrupt: object) -> None:
    def fail(clock: Clock) -> float:
        time.sleep(SLICE)
        if interrupt is KeyboardInterrupt:
            signal.raise_signal(signal.SIGINT)
            time.sleep(2 * SLICE)
            return 0.0
        raise SystemExit("3 of 4 requests failed")

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        take_turns(groups, [fail, fail])
    assert not any(map(stopped, groups))


def test_a_group_that_has_ended_is_no_error_of_the_turns(groups: list[int]) -> None:
    process = subprocess.Popen(["true"], start_new_session=True)
    process.wait()
    assert take_turns([process.pid, groups[0]], [lambda clock: 1.0, lambda clock: 2.0]) == [1, 2]
