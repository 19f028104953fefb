"""The command line on real pages, with a real server."""

import json
import subprocess
import sys
from pathlib import Path

import pypdfium2

SAMPLES = Path(__file__).parents[1] / "samples"


def qwen_ocr(base_url: str, *arguments: object) -> str:
    """What a command prints to stdout, after it ended with exit code 0."""
    command = [
        sys.executable,
        "-c",
        "from qwen_ocr_tools.cli import app; app()",
        *map(str, arguments),
    ]
    done = subprocess.run(
        [*command, "--base-url", base_url],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_read_marks_what_the_model_doubts(base_url: str) -> None:
    pages = sorted(SAMPLES.glob("*.png"))
    plain = qwen_ocr(base_url, "read", *pages)
    marked = qwen_ocr(base_url, "read", *pages, "--confidence")
    assert marked.replace("[?]", "") == plain
    assert 0 < marked.count("[?]") < len(plain.split()) / 2


def test_batch_of_images_and_a_pdf(base_url: str, tmp_path: Path) -> None:
    output, texts, pdfs = tmp_path / "out.jsonl", tmp_path / "texts", tmp_path / "pdfs"
    extra = ["--sidecar-dir", texts, "--searchable-pdf", pdfs]
    qwen_ocr(base_url, "batch", SAMPLES, "-o", output, *extra)
    lines = map(json.loads, output.read_text("utf-8").splitlines())
    records = {Path(line["file"]).name: line for line in lines}
    images = {path.name for path in SAMPLES.iterdir() if path.suffix != ".jsonl"}
    assert set(records) == images
    assert "Espresso" in records["receipt.png"]["text"]
    assert "Espresso" in records["receipt.pdf"]["text"]
    sidecars = {path.stem: path.read_text("utf-8") for path in texts.rglob("*.txt")}
    assert sidecars["line"] == records["line.png"]["text"] + "\n"
    found = {path.stem: path for path in pdfs.rglob("*.pdf")}
    assert set(found) == set(sidecars)
    for name in ("line", "receipt.pdf"):
        page = pypdfium2.PdfDocument(found[name])[0]
        text = page.get_textpage().get_text_bounded().split()
        assert text == sidecars[name].split()
