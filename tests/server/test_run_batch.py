"""Requests of `batch` through vLLM's own batch runner, with the command that the README gives."""

import json
import os
import re
import shlex
import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path

from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.launch.launcher import build_launch
from qwen_ocr_serve.settings import ServeSettings

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests/samples"
TIMEOUT = 900
"""Seconds on a busy machine."""


def qwen_ocr(*arguments: object) -> str:
    """What a command says on stderr, after it ended with exit code 0."""
    words = [
        sys.executable,
        "-c",
        "from qwen_ocr_tools.cli import app; app()",
        *map(str, arguments),
    ]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    return done.stderr


def texts(output: Path) -> dict[str, str]:
    lines = map(json.loads, output.read_text("utf-8").splitlines())
    return {Path(line["file"]).name: line["text"] for line in lines}


def test_pages_without_a_server(base_url: str, tmp_path: Path) -> None:
    launch = build_launch(ServeSettings(), Installation.detect(), os.environ)
    model = launch.argv[launch.argv.index("--model") + 1]
    readme = (ROOT / "docs/command-line.md").read_text("utf-8")
    (line,) = re.findall(r"^\$ python (-m vllm\S+run_batch .*)$", readme, re.MULTILINE)
    words = shlex.split(line.replace("$MINI", shlex.quote(model)))
    environment = {**os.environ, "VLLM_NO_USAGE_STATS": "1"}
    environment |= {name: launch.env[name] for name in ["PYTHONPATH"] if name in launch.env}

    requests, output = tmp_path / "requests.jsonl", tmp_path / "pages.jsonl"
    qwen_ocr("batch", SAMPLES, "--model", "mini", "--write-requests", requests)
    with (tmp_path / "log.txt").open("wb+") as log:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environment,
            check=False,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
        )
        log.seek(0)
        assert done.returncode == 0, log.read().decode(errors="replace")[-5000:]
    answers = tmp_path / "answers.jsonl"
    said = qwen_ocr("batch", SAMPLES, "--read-answers", answers, "-o", output)
    assert "8 pages read" in said
    found = texts(output)
    assert found["line.png"] == "Invoices older than 90 days are passed"
    # The same engine; but here it reads as a whole what a server reads in pieces.
    online = tmp_path / "online.jsonl"
    qwen_ocr("batch", SAMPLES, "-o", online, "--base-url", base_url)
    expected = texts(online)
    assert found.keys() == expected.keys()
    for name, text in found.items():
        assert SequenceMatcher(None, text, expected[name]).ratio() > 0.8, (name, text)
