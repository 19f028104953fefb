"""From what a processor was measured at to what it computes in."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from qwen_ocr_serve.launch import precision
from qwen_ocr_serve.launch.precision import UNMEASURED, Choice, Kept, Measurement, Times, choose


def measured(**microseconds: tuple[float, float]) -> Measurement:
    """`float32_2=(row, rows)`, of two threads, and so on."""
    found: dict[tuple[precision.DType, int], Times] = {}
    for dtype in ("float32", "bfloat16"):
        for threads in (1, 2):
            if times := microseconds.get(f"{dtype}_{threads}"):
                row, rows = (time * 1e-6 for time in times)
                found[dtype, threads] = Times(row, rows)
    return found


# The first was measured. The others follow from the tokens/s that such processors reach in float32
# and bfloat16, with one and two threads: Cascade Lake, Sapphire Rapids, AMD EPYC 9004.
AVX2 = measured(
    float32_1=(60, 824), float32_2=(60, 504), bfloat16_1=(94, 5351), bfloat16_2=(57, 3737)
)
AVX512 = measured(
    float32_1=(60, 800), float32_2=(55, 420), bfloat16_1=(70, 1880), bfloat16_2=(65, 1000)
)
AVX512_BF16 = measured(
    float32_1=(50, 600), float32_2=(50, 320), bfloat16_1=(45, 110), bfloat16_2=(45, 80)
)
AMD_BF16 = measured(
    float32_1=(45, 420), float32_2=(45, 230), bfloat16_1=(40, 210), bfloat16_2=(40, 120)
)


@pytest.mark.parametrize(
    ("measurement", "dtype", "threads", "reason"),
    [
        (AVX2, "float32", 2, "bfloat16 takes 6.5 times as long"),
        (AVX512, "float32", 2, "bfloat16 takes 2.4 times as long"),
        (AVX512_BF16, "bfloat16", 1, "float32 takes 5.5 times as long"),
        (AMD_BF16, "bfloat16", 1, "float32 takes 2.0 times as long"),
    ],
    ids=["AVX2", "AVX-512", "AVX-512 BF16", "AMD"],
)
def test_each_kind_of_processor_gets_what_it_is_good_at(
    measurement: Measurement, dtype: str, threads: int, reason: str
) -> None:
    found = choose(measurement)
    assert (found.dtype, found.threads) == (dtype, threads)
    assert found.reason.startswith(reason)
    # Noise of a tenth on either side changes nothing.
    for worse in measurement:
        for factor in (0.9, 1.1):
            times = measurement[worse]
            noisy = {**measurement, worse: Times(times.row * factor, times.rows * factor)}
            assert (choose(noisy).dtype, choose(noisy).threads) == (dtype, threads), worse


def test_a_tie_is_for_half_the_memory_and_one_core() -> None:
    same = (60.0, 800.0)
    tie = measured(float32_1=same, float32_2=same, bfloat16_1=(66, 900), bfloat16_2=(66, 850))
    assert (choose(tie).dtype, choose(tie).threads) == ("bfloat16", 1)
    assert "hardly faster" in choose(tie).reason


def test_one_core_means_one_thread() -> None:
    assert choose({key: times for key, times in AVX2.items() if key[1] == 1}).threads == 1


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """An empty cache on a quiet machine; how many threads were measured, each time."""
    asked: list[int] = []

    def slow(threads: int) -> Measurement:
        asked.append(threads)
        return AVX2

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(precision, "measure", slow)
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    return asked


@pytest.fixture
def start() -> Callable[[int], Choice]:
    """What a new process finds for so many cores."""

    def fresh(cores: int) -> Choice:
        precision.choice.cache_clear()
        return precision.choice(cores)

    return fresh


def test_a_processor_is_measured_once(measure: list[int], start: Callable[[int], Choice]) -> None:
    assert start(4) == start(2) == Choice("float32", 2, 5351 / 824)
    assert measure == [2]
    start(1)
    assert measure == [2, 1]


def test_other_versions_and_processors_are_measured_anew(
    measure: list[int],
    start: Callable[[int], Choice],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    start(2)
    monkeypatch.setattr(precision, "version", lambda name: "99.0")
    start(2)
    for flags in ("avx2", "avx2 avx512f", "avx2 avx512f"):
        file = tmp_path / "cpuinfo"
        file.write_text(f"model name\t: Xeon\nflags\t\t: {flags}\ncpu MHz\t\t: {len(measure)}\n\n")
        monkeypatch.setattr(precision, "_CPUINFO", file)
        start(2)
    assert len(measure) == 4  # the clock of the last one differs, which is the same processor


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"disturbed": false, "seconds": {}}',
        b'{"disturbed": false, "seconds": {"float32 1": 1, "bfloat16 1": 1}}',
        json.dumps(
            {
                "disturbed": False,
                "seconds": {
                    "float32 1": {"row": 1, "rows": 0},
                    "bfloat16 1": {"row": 1, "rows": 1},
                },
            }
        ).encode(),
    ],
)
def test_a_broken_file_is_measured_anew(
    measure: list[int], start: Callable[[int], Choice], content: bytes
) -> None:
    path = precision.cache_file(2)
    path.parent.mkdir()
    path.write_bytes(content)
    assert start(2).dtype == "float32"
    assert start(2).dtype == "float32"
    assert measure == [2]


def test_where_nothing_can_be_kept_each_start_measures(
    measure: list[int], start: Callable[[int], Choice], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Below a file, where no user may create anything, not even root.
    monkeypatch.setenv("XDG_CACHE_HOME", __file__)
    assert start(2) == start(2) != UNMEASURED
    assert measure == [2, 2]


def test_what_a_busy_machine_disturbed_is_measured_again_when_it_is_quiet(
    measure: list[int], start: Callable[[int], Choice], monkeypatch: pytest.MonkeyPatch
) -> None:
    precision.save(precision.cache_file(2), Kept(AMD_BF16, disturbed=True))
    monkeypatch.setattr("os.getloadavg", lambda: (2.0, 0.0, 0.0))
    assert start(2).dtype == "bfloat16"
    monkeypatch.setattr("os.getloadavg", lambda: (0.5, 0.0, 0.0))
    assert start(2).dtype == start(2).dtype == "float32"
    assert measure == [2]


def test_a_processor_that_cannot_be_measured_is_no_error(
    measure: list[int],
    start: Callable[[int], Choice],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\necho '{}'\n")
    failing.chmod(failing.stat().st_mode | stat.S_IXUSR)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for executable in (failing, tmp_path / "missing", Path("/bin/false")):
        monkeypatch.setattr("sys.executable", str(executable))
        assert start(2) == UNMEASURED
    assert not list(tmp_path.glob("qwen-ocr/*"))
    assert measure == []
