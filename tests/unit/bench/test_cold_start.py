"""The phases of a start, from logs and samples as a server leaves them."""

import json
import math
import os
import subprocess
import sys
from datetime import datetime

import cold_start
import pytest
from processes import members, processor_seconds, watched

MARKS = (("non-default args", "imports"), ("KV cache size:", "weights"))


def record(second: str, message: str) -> str:
    return json.dumps({"asctime": f"2026-01-31 10:00:{second}", "message": message})


def test_the_end_of_a_phase_is_its_first_line() -> None:
    lines = [
        "Triton is installed, but doesn't include CPU backend.",
        record("07,250", "non-default args: {'KV cache size': 1}"),
        record("09,000", "non-default args once more"),
        '{"asctime": "a line without a message"}',
        "[]",
    ]
    # The log has local time.
    expected = datetime(2026, 1, 31, 10, 0, 7, 250_000).astimezone().timestamp()
    assert cold_start.log_times(lines, MARKS) == {"imports": pytest.approx(expected)}


def test_phases_add_up() -> None:
    used = cold_start.Observed([100.0, 101.0, 104.0], [0.1, 0.9, 3.9])
    ends = {"answer": 105.0, "imports": 101.5, "nothing was seen": 99.0}
    rows = cold_start.breakdown(98.0, ends, used)
    assert rows == [
        ("nothing was seen", 1.0, 0.0),
        ("imports", 2.5, 0.9),
        ("answer", 3.5, pytest.approx(3.0)),
    ]


def test_imports_are_those_before_the_engine_starts() -> None:
    header = "import time: self [us] | cumulative | imported package"
    lines = [
        header,
        "import time:       100 |        100 | typer",
        header,
        "import time:   1000000 |    1000000 |   torch._C",
        "import time:    500000 |    1500000 | torch",
        record("07,250", "non-default args: {}"),
        "import time:      2000 |       2000 | ray",
        record("09,000", "Initializing a V1 LLM engine"),
        "import time:      3000 |       3000 | later",
    ]
    assert cold_start.imports(lines) == pytest.approx({"typer": 0.0001, "torch": 1.5, "ray": 0.002})


def test_the_processor_time_and_the_memory_of_a_group() -> None:
    command = [sys.executable, "-c", "print(1, flush=True)\nwhile True: pass"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            with watched(process.pid, every=0.02) as usage:
                before = processor_seconds(process.pid)
                while processor_seconds(process.pid) < before + 0.1:
                    pass
            assert members(process.pid) == [process.pid]
        finally:
            process.kill()
    assert usage.leader_cores > 0
    assert usage.other_cores == 0
    assert usage.peak_mib > 1


def test_another_machines_processes_are_not_known() -> None:
    with watched(None) as usage:
        pass
    assert math.isnan(usage.peak_mib)
    assert math.isnan(usage.leader_cores)


def test_a_process_that_is_gone_uses_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert processor_seconds(process.pid) == 0.0
    assert processor_seconds(os.getpid()) > 0
