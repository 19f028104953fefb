"""`qwen-ocr batch --ray` on a local Ray: the rows of the plain batch, whatever is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet
import pytest
from PIL import Image, ImageDraw
from ray.cluster_utils import Cluster

from qwen_ocr_serve.launch.local_server import LocalServer

SAMPLES = Path(__file__).parents[1] / "samples"
DEADLINE = 1800.0
"""Seconds for one part of the work on a busy machine."""
OF_A_RUN = ("latency", "request_id")
"""Fields that no two runs have in common."""


def command(
    folder: object, output: Path, *base_urls: str, options: Sequence[str] = ()
) -> list[str]:
    """A batch, the plain one unless the options say otherwise."""
    words = [
        sys.executable,
        "-c",
        "from qwen_ocr_tools.cli import app; app()",
        "batch",
        str(folder),
    ]
    words += ["-o", str(output), "--max-tokens", "16", "--allow-truncated", *options]
    return [*words, *(word for url in base_urls for word in ("--base-url", url))]


RAY = ("--ray", "--workers", "2")
# By default Ray's workers give way to everything else, which on a busy machine is never over.
ENVIRONMENT = {**os.environ, "RAY_worker_niceness": "0"}


def run(words: Sequence[str], code: int = 0) -> str:
    """What a command that comes to its end says on stderr."""
    done = subprocess.run(
        words, env=ENVIRONMENT, check=False, capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def rows(output: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """What all runs have in common of each page, which is there once."""
    records = [json.loads(line) for line in output.read_bytes().splitlines()]
    found = {
        (record["file"], record["page"]): {
            name: value for name, value in record.items() if name not in OF_A_RUN
        }
        for record in records
    }
    assert len(found) == len(records)
    return found


def lines_in(output: Path) -> int:
    return output.read_bytes().count(b"\n") if output.exists() else 0


def wait_for(lines: int, output: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + DEADLINE
    while lines_in(output) < lines:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def draw_pages(folder: Path, count: int) -> Path:
    """Images of one short word each."""
    folder.mkdir()
    for number in range(count):
        image = Image.new("L", (64, 32), 255)
        ImageDraw.Draw(image).text((6, 4), f"{number}", fill=0, font_size=20)
        image.save(folder / f"{number:04}.png")
    return folder


def test_the_rows_of_the_plain_batch(base_url: str, tmp_path: Path) -> None:
    scans = draw_pages(tmp_path / "scans", 8)
    shutil.copy(SAMPLES / "receipt.pdf", scans)
    (scans / "broken.png").write_bytes(b"no image")
    plain, output = tmp_path / "plain.jsonl", tmp_path / "ray.parquet"
    run(command(scans, plain, base_url), code=1)
    words = command(scans, output, base_url, options=RAY)
    words.insert(words.index(str(scans)), (scans / "receipt.pdf").as_uri())
    said = run(words, code=1)
    assert "10 pages read" in said
    assert "1 failed" in said
    kept = rows(tmp_path / "ray.parquet.jsonl")
    of_url = kept.pop(((scans / "receipt.pdf").as_uri(), 1))
    asked = rows(plain)
    # What else is in a step changes the last digits of a probability.
    sure = [[of[page].pop("confidence", None) for page in sorted(of)] for of in (kept, asked)]
    assert sure[0] == pytest.approx(sure[1], abs=0.01)
    assert kept == asked
    assert of_url["text"] == kept[str(scans / "receipt.pdf"), 1]["text"]
    assert pyarrow.parquet.read_table(output).num_rows == 11
    # Nothing is left, so neither Ray nor the server is asked.
    assert "10 were there before" in run(words, code=1)


def test_ctrl_c(base_url: str, tmp_path: Path) -> None:
    scans, output = draw_pages(tmp_path / "scans", 200), tmp_path / "out.jsonl"
    words = command(scans, output, base_url, options=[*RAY, "--concurrency", "2"])
    with subprocess.Popen(
        words, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_for(10, output, process)
        children = psutil.Process(process.pid).children(recursive=True)
        assert any("raylet" in child.name() for child in children)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=DEADLINE)[1]
    assert process.returncode == 130, said
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    assert not psutil.wait_procs(children, timeout=20)[1]
    kept = rows(output)
    assert 10 <= len(kept) < 200
    # Whether with Ray or without: it is the same output.
    assert f"{len(kept)} were there before" in run(command(scans, output, base_url))
    assert len(rows(output)) == 200


def test_a_cluster(base_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scans, output = draw_pages(tmp_path / "scans", 40), tmp_path / "out.jsonl"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        address = cluster.address
        monkeypatch.setitem(ENVIRONMENT, "RAY_ADDRESS", address)
        said = run(command(scans, output, base_url, options=["--ray"]))
        assert "40 pages read" in said
        alive = cluster.remaining_processes_alive()  # type: ignore[no-untyped-call]
        assert alive, "it is not the batch's to stop"
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
    assert len(rows(output)) == 40
    (scans / "another.png").write_bytes((scans / "0000.png").read_bytes())
    began = time.monotonic()
    said = run(command(scans, output, base_url, options=["--ray"]), code=1)
    assert time.monotonic() - began < 60
    assert f"no Ray cluster answers at RAY_ADDRESS={address}" in said


PAGES = 2000


@pytest.mark.slow
def test_killed_halfway(base_url: str, tmp_path: Path) -> None:
    """2,000 pages, two servers; a worker and a server are killed with SIGKILL on the way."""
    scans = draw_pages(tmp_path / "scans", PAGES)
    plain, output = tmp_path / "plain.jsonl", tmp_path / "ray.jsonl"
    began = time.monotonic()
    run(command(scans, plain, base_url))
    print(f"plain: {time.monotonic() - began:.0f} s")
    with ExitStack() as stack:
        second = stack.enter_context(LocalServer(tmp_path / "second.log"))
        second.wait_until_ready()
        words = command(scans, output, base_url, second.base_url, options=RAY)
        began = time.monotonic()
        process = stack.enter_context(
            subprocess.Popen(words, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        )
        wait_for(PAGES // 4, output, process)
        children = psutil.Process(process.pid).children(recursive=True)
        workers = [child for child in children if "MapWorker" in "".join(child.cmdline())]
        assert len(workers) == 2
        workers[0].kill()
        wait_for(PAGES // 2, output, process)
        os.killpg(second.process.pid, signal.SIGKILL)
        at = lines_in(output)
        said = process.communicate(timeout=DEADLINE)[1]
        print(f"Ray: {time.monotonic() - began:.0f} s; server killed at {at}; it said:\n{said}")
    assert process.returncode == 0, said
    expected, found = rows(plain), rows(output)
    assert found.keys() == expected.keys()
    assert len(found) == PAGES
    # Which pages are computed together differs, and so does the last bit of what is computed.
    different = [name for name in found if found[name] != expected[name]]
    print(f"{len(different)} rows differ")
    assert len(different) <= PAGES // 200
