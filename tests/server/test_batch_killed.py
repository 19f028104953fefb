"""`qwen-ocr batch` killed again and again: nothing is lost, nothing is there twice."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx2
import pytest
from PIL import Image, ImageDraw

from qwen_ocr.batch import WINDOW

CONCURRENCY = 8
DEADLINE = 240.0
"""Seconds for one part of the work on a busy machine."""


def draw_scans(folder: Path, pages: int) -> None:
    """Images of one short word each."""
    folder.mkdir()
    for number in range(pages):
        image = Image.new("L", (64, 32), 255)
        ImageDraw.Draw(image).text((6, 4), f"{number}", fill=0, font_size=20)
        image.save(folder / f"{number:03}.png")


def lines_in(output: Path) -> list[bytes]:
    """Whole lines only: a process that is being killed may be in the middle of one."""
    if not output.exists():
        return []
    return [line for line in output.read_bytes().splitlines(keepends=True) if line[-1:] == b"\n"]


def requests_ended(http: httpx2.Client) -> int:
    """How many the engine has answered or given up since it started."""
    metrics = http.get("/metrics").text.splitlines()
    counts = [line for line in metrics if line.startswith("vllm:request_success_total{")]
    assert counts, "the metric has another name now"
    return sum(int(float(line.rpartition(" ")[2])) for line in counts)


@pytest.mark.parametrize(
    ("pages", "kills"), [(200, 8), pytest.param(500, 20, marks=pytest.mark.slow)]
)
def test_killed_at_random_moments(
    base_url: str, http: httpx2.Client, tmp_path: Path, pages: int, kills: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    scans, output = tmp_path / "scans", tmp_path / "out.jsonl"
    draw_scans(scans, pages)
    command = [
        sys.executable,
        "-c",
        "from qwen_ocr_tools.cli import app; app()",
        "batch",
        str(scans),
    ]
    command += ["-o", str(output), "--sidecar", "--concurrency", str(CONCURRENCY)]
    command += ["--base-url", base_url, "--max-tokens", "16", "--allow-truncated"]
    asked_before = requests_ended(http)

    # Numbers of lines spread over the file, and a random moment after each of them is there.
    for target in sorted(rng.sample(range(pages - CONCURRENCY), kills)):
        kept = lines_in(output)
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + DEADLINE
            while len(lines_in(output)) < target:
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < deadline
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, "the batch had come to its end"
        assert lines_in(output)[: len(kept)] == kept

    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in output.read_bytes().splitlines()]
    expected = {str(path): 1 for path in scans.glob("*.png")}
    assert Counter(record["file"] for record in records) == expected
    # What was begun and not yet written is done again: no more than the client's window holds.
    needed = sum(record["attempts"] for record in records)
    assert requests_ended(http) - asked_before <= needed + kills * WINDOW * CONCURRENCY
    for record in records:
        assert Path(record["file"]).with_suffix(".txt").read_text() == record["text"] + "\n"
    assert {path.suffix for path in scans.iterdir()} == {".png", ".txt"}
