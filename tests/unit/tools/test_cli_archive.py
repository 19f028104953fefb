"""Files beside the output of `qwen-ocr batch`: texts and searchable PDFs."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from typer.testing import CliRunner

from qwen_ocr_tools.cli import app

SAMPLE = Path(__file__).parents[2] / "samples" / "receipt.pdf"
Run = Callable[..., Any]


@pytest.fixture
def scans(tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scans"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/c.png"):
        (folder / name).write_bytes(png)
    pdf = pypdfium2.PdfDocument.new()
    for _ in range(3):
        pdf.import_pages(pypdfium2.PdfDocument(SAMPLE))
    pdf.save(folder / "three.pdf")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def run(server: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("QWEN_OCR_BASE_URL", server.url)
    monkeypatch.setenv("QWEN_OCR_MAX_RETRIES", "0")
    monkeypatch.setenv("QWEN_OCR_SERVED_MODEL_NAME", "mini")
    server.answer_documents(status=404)  # a server that is not ours
    return lambda *args: CliRunner().invoke(
        app, ["batch", "scans", "-o", "out.jsonl", "--concurrency", "1", *map(str, args)]
    )


def files(folder: str, suffix: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob(f"*{suffix}"))


def test_text_beside_each_file(run: Run, scans: Path) -> None:
    assert run("--sidecar").exit_code == 0
    assert files("scans", ".txt") == ["a.txt", "sub/c.txt", "three.txt"]
    assert (scans / "a.txt").read_text() == "TOTAL 12.50\n"
    assert (scans / "three.txt").read_text() == "\f".join(["TOTAL 12.50"] * 3) + "\n"
    assert "0 pages read" in run("--sidecar").stderr  # texts are no inputs


def test_text_in_a_folder(run: Run, scans: Path) -> None:
    assert run("--sidecar-dir", "texts").exit_code == 0
    assert files("texts", "") == [
        "scans",
        "scans/a.txt",
        "scans/sub",
        "scans/sub/c.txt",
        "scans/three.txt",
    ]
    assert files("scans", ".txt") == []


def test_files_of_one_name_keep_apart(run: Run, scans: Path, png: bytes) -> None:
    (scans / "a.jpg").write_bytes(png)
    (scans / "three.PNG").write_bytes(png)
    assert run("--sidecar").exit_code == 0
    expected = ["a.jpg.txt", "a.png.txt", "sub/c.txt", "three.PNG.txt", "three.pdf.txt"]
    assert files("scans", ".txt") == expected


def test_searchable_pdfs(run: Run, scans: Path) -> None:
    assert run("--searchable-pdf", "pdf").exit_code == 0
    assert files("pdf", ".pdf") == ["scans/a.pdf", "scans/sub/c.pdf", "scans/three.pdf"]
    document = pypdfium2.PdfDocument("pdf/scans/three.pdf")
    assert len(document) == 3
    for page in document:
        assert page.get_textpage().get_text_bounded() == "TOTAL 12.50"


def described(*texts: str) -> dict[str, Any]:
    """A page with these lines, as our server describes it."""
    lines = [
        {"text": text, "box": [100, 100 * number, 300, 100 * number + 40], "words": []}
        for number, text in enumerate(texts, 1)
    ]
    corners = {f"{end}_{side}": 0 for end in ("top_left", "bottom_right") for side in "xy"}
    block = {"type": "text", "content": "", **corners, "qwen_ocr": {"lines": lines}}
    size = {"dpi": 72, "width": 1000, "height": 500}
    about = {"turned": 90, "skew": 0.5}
    return {"index": 0, "markdown": "", "dimensions": size, "blocks": [block], "qwen_ocr": about}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["T0TAL 12.5O"], ["TOTAL 12.50"]),  # the same page, read a second time
        (["T0TAL", "12.5O"], ["T0TAL", "12.5O"]),
    ],
)
def test_lines_that_our_server_finds_for_any_model(
    run: Run, scans: Path, server: Any, texts: list[str], expected: list[str]
) -> None:
    server.answer_documents(described(*texts))
    assert run("--searchable-pdf", "pdf").exit_code == 0
    for line in map(json.loads, Path("out.jsonl").read_text().splitlines()):
        assert [each["text"] for each in line["lines"]] == expected
        assert line["lines"][0]["box"] == [100, 100, 300, 140]
        assert (line["size"], line["turned"], line["skew"]) == ([1000, 500], 90, 0.5)
    text = pypdfium2.PdfDocument("pdf/scans/a.pdf")[0].get_textpage().get_text_bounded()
    assert sorted(text.split()) == sorted(" ".join(expected).split())


def test_pdfs_that_were_written_are_not_read(run: Run, scans: Path, server: Any) -> None:
    run("--searchable-pdf", "scans/pdf")
    asked = len(server.chats)
    assert run("--searchable-pdf", "scans/pdf").exit_code == 0
    assert len(server.chats) == asked


def test_boxes_come_from_the_model_where_it_gives_them(
    run: Run, scans: Path, server: Any, answered: Any
) -> None:
    boxes = [{"bbox_2d": [500, 500, 1000, 750], "text_content": "TOTAL"}]
    for name in ("three.pdf", "sub/c.png"):
        (scans / name).unlink()
    server.answer(answered(json.dumps(boxes), model="Qwen/Qwen3-VL-8B-Instruct"))
    server.answer_first(answered(model="Qwen/Qwen3-VL-8B-Instruct"))
    assert run("--searchable-pdf", "pdf", "--model", "Qwen/Qwen3-VL-8B-Instruct").exit_code == 0
    (line,) = map(json.loads, Path("out.jsonl").read_text().splitlines())
    assert line["text"] == "TOTAL 12.50"
    assert line["lines"] == [{"text": "TOTAL", "box": [32, 24, 64, 36]}]
    assert line["size"] == [64, 48]
    page = pypdfium2.PdfDocument("pdf/scans/a.pdf")[0]
    left, bottom, right, top = page.get_textpage().get_charbox(0, loose=True)
    width, height = page.get_size()
    assert (left / width, bottom / height) == pytest.approx((0.5, 0.25), abs=0.02)
    assert (right / width, top / height) == pytest.approx((0.6, 0.5), abs=0.02)


def test_boxes_that_make_no_sense_leave_the_text(
    run: Run, scans: Path, server: Any, answered: Any
) -> None:
    server.answer(answered("no boxes", model="Qwen/Qwen3-VL-8B-Instruct"))
    assert run("--searchable-pdf", "pdf", "--model", "Qwen/Qwen3-VL-8B-Instruct").exit_code == 0
    assert len(files("pdf", ".pdf")) == 3


def test_files_are_made_from_what_was_read_before(run: Run, scans: Path, server: Any) -> None:
    run()
    asked = len(server.chats)
    assert run("--sidecar", "--searchable-pdf", "pdf").exit_code == 0
    assert len(server.chats) == asked
    assert len(files("scans", ".txt")) == len(files("pdf", ".pdf")) == 3
    (scans / "a.txt").unlink()
    (scans / "three.txt").write_text("corrected by hand")
    run("--sidecar")
    assert (scans / "a.txt").exists()
    assert (scans / "three.txt").read_text() == "corrected by hand"


def test_files_of_somebody_else_stay(run: Run, scans: Path, png: bytes, tmp_path: Path) -> None:
    (scans / "a.txt").write_text("what it really says")
    (scans / "sub" / "c.txt").write_text("TOTAL 12.50\n")  # the same as would be written
    own = tmp_path / "pdf" / "scans" / "three.pdf"
    own.parent.mkdir(parents=True)
    own.write_text("my own")
    result = run("--sidecar", "--searchable-pdf", "pdf")
    assert result.exit_code == 1
    assert f"{scans / 'a.txt'}: was there before" in result.stderr
    assert "three.pdf: was there before" in result.stderr
    assert "c.txt" not in result.stderr
    assert (scans / "a.txt").read_text() == "what it really says"
    assert own.read_text() == "my own"
    assert files("scans", ".txt") == ["a.txt", "sub/c.txt", "three.txt"]
    assert files("pdf", ".pdf") == ["scans/a.pdf", "scans/sub/c.pdf", "scans/three.pdf"]
    assert run("--sidecar", "--searchable-pdf", "pdf").exit_code == 0  # all pages have their text


def test_a_changed_file_gets_new_files(
    run: Run, scans: Path, server: Any, png: bytes, answered: Any
) -> None:
    run("--sidecar")
    (scans / "a.png").write_bytes(png + b"\0")
    server.answer(answered("new"))
    assert run("--sidecar").exit_code == 0
    assert (scans / "a.txt").read_text() == "new\n"
    assert (scans / "three.txt").read_text() != "new\n"


def test_no_text_with_a_hole_in_it(run: Run, scans: Path, server: Any, answered: Any) -> None:
    server.answer_first(b"{}", status=400)  # the last page to be asked for comes first in the list
    for _ in range(3):
        server.answer_first(answered())
    result = run("--sidecar", "--searchable-pdf", "pdf")
    assert result.exit_code == 1
    assert "as a page is missing: 1" in result.stderr
    failed = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    (name,) = {Path(line["file"]).name for line in failed if "error" in line}
    assert name == "three.pdf"
    assert files("scans", ".txt") == ["a.txt", "sub/c.txt"]
    assert run("--sidecar", "--searchable-pdf", "pdf", "--retry-failed").exit_code == 0
    assert (scans / "three.txt").read_text().count("TOTAL") == 3
    assert len(pypdfium2.PdfDocument("pdf/scans/three.pdf")) == 3


def test_a_document_that_is_gone_when_its_pdf_is_due(
    run: Run, scans: Path, server: Any, answered: Any
) -> None:
    run()
    (scans / "a.png").unlink()
    assert run("--searchable-pdf", "pdf").exit_code == 0
    assert files("pdf", ".pdf") == ["scans/sub/c.pdf", "scans/three.pdf"]


def test_no_place_for_them(run: Run, scans: Path) -> None:
    Path("file").touch()
    result = run("--sidecar-dir", "file")
    assert result.exit_code == 1
    assert "a file stands where a folder should be" in result.stderr
    assert "the same command goes on from there" in result.stderr
    assert run("--sidecar-dir", "texts").exit_code == 0
    assert len(files("texts", ".txt")) == 3


def test_without_the_extra(run: Run, scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "qwen_ocr_tools.exports.searchable", raising=False)
    monkeypatch.setitem(sys.modules, "pikepdf", None)  # as if it were not installed
    result = run("--searchable-pdf", "pdf")
    assert result.exit_code == 2
    assert "need pikepdf: pip install 'qwen-ocr[searchable]'" in result.stderr
    assert not Path("out.jsonl").exists()


def test_encrypted_pdf_cannot_be_read(run: Run, scans: Path) -> None:
    import pikepdf

    with pikepdf.Pdf.open(SAMPLE) as pdf:
        pdf.save(scans / "locked.pdf", encryption=pikepdf.Encryption(user="u", owner="o"))
    result = run("--searchable-pdf", "pdf")
    assert result.exit_code == 1
    assert "locked.pdf" in result.stderr
    assert len(files("pdf", ".pdf")) == 3
