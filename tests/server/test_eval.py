"""`qwen-ocr eval` as people run it: the bundled model and another engine on real pages."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qwen_ocr_tools.evaluation.summary import load_results

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests/samples"
BASELINES = ["--baseline", "rapidocr"]
if shutil.which("tesseract"):
    BASELINES += ["--baseline", "tesseract"]


def run(base_url: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qwen_ocr_serve.cli", "eval", *map(str, arguments)]
    return subprocess.run(
        [*command, "--base-url", base_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_samples(base_url: str, tmp_path: Path) -> None:
    done = run(base_url, SAMPLES, *BASELINES, "-o", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dataset"] == "samples"
    evaluation = load_results(tmp_path)
    mini, rapidocr = evaluation.runs[:2]
    assert (mini.engine, rapidocr.engine) == ("mini", "rapidocr")
    assert {len(run.pages) for run in evaluation.runs} == {7}
    # Real engines on clean print: far from perfect, far from nothing.
    assert 0 < mini.scores["cer"].micro < 0.4
    assert rapidocr.scores["cer"].micro < 0.1
    assert mini.scores["cer"].micro > rapidocr.scores["cer"].micro
    assert mini.calibration is not None
    assert mini.calibration.words > 50
    assert mini.speed is not None
    assert mini.speed.prompt_tokens is not None
    assert mini.speed.prompt_tokens > 50
    # Nothing is left to read, so this needs no time, and the numbers stay as they are.
    again = run(base_url, SAMPLES, *BASELINES, "-o", tmp_path, "--json")
    assert json.loads(again.stdout)["runs"] == json.loads(done.stdout)["runs"]


def test_olmocr_bench(base_url: str, tmp_path: Path) -> None:
    (tmp_path / "pdfs").mkdir()
    shutil.copy(SAMPLES / "receipt.pdf", tmp_path / "pdfs" / "receipt.pdf")
    common = {"pdf": "receipt.pdf", "page": 1, "max_diffs": 2}
    tests = [
        {"id": "1", "type": "present", "text": "Espresso"},
        {"id": "2", "type": "absent", "text": "Bibliography"},
        {"id": "3", "type": "present", "text": "Bibliography"},
    ]
    lines = "\n".join(json.dumps(common | test) for test in tests)
    (tmp_path / "shops.jsonl").write_text(lines)
    done = run(base_url, tmp_path, "-o", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    (mini,) = load_results(tmp_path / "report").runs
    assert mini.scores["checks"].micro == pytest.approx(3 / 4)  # with the baseline check
