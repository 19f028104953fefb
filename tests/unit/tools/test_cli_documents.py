"""`qwen-ocr read` of whole documents: which file is written, and what is said when one is not."""

import base64
import json
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from typer.testing import CliRunner

from qwen_ocr_tools.cli import app

SAMPLE = Path(__file__).parents[2] / "samples" / "receipt.pdf"
CORNERS = {"top_left_x": 10, "top_left_y": 20, "bottom_right_x": 110, "bottom_right_y": 40}
LINE = {"text": "Total", "box": [10, 20, 110, 40], "words": [[10, 110]], "confidence": [0.9]}
DATA = "data:image/jpeg;base64," + base64.b64encode(b"jpeg").decode()
PAGE: dict[str, Any] = {
    "index": 0,
    "markdown": "# Total\n\n![img-0.jpeg](img-0.jpeg)",
    "images": [{"id": "img-0.jpeg", **CORNERS, "image_base64": DATA}],
    "dimensions": {"dpi": 200, "width": 1654, "height": 2339},
    "blocks": [
        {"type": "title", "content": "# Total", **CORNERS, "qwen_ocr": {"lines": [LINE]}},
        {"type": "image", "content": "![img-0.jpeg](img-0.jpeg)", **CORNERS},
    ],
    "qwen_ocr": {"confidence": 0.9, "warnings": []},
}
FAILED = {
    "index": 1,
    "markdown": "",
    "qwen_ocr": {"error": {"code": "page_timeout", "message": "it takes too long"}},
}


@pytest.fixture
def run(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("QWEN_OCR_BASE_URL", server.url)
    monkeypatch.setenv("QWEN_OCR_MAX_RETRIES", "0")
    monkeypatch.chdir(tmp_path)
    server.answer_documents(PAGE)
    return lambda *args, **kwargs: CliRunner().invoke(app, ["read", *map(str, args)], **kwargs)


@pytest.fixture
def scan(tmp_path: Path, png: bytes) -> Path:
    path = tmp_path / "my scan.png"
    path.write_bytes(png)
    return path


def fields(server: Any, place: int = -1) -> dict[str, str]:
    """The fields of the form that was sent, without the file."""
    request = server.requests[place]
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    found = {}
    for part in request.body.split(b"--" + boundary)[1:-1]:
        head, _, value = part.strip(b"\r\n").partition(b"\r\n\r\n")
        found[head.partition(b'name="')[2].partition(b'"')[0].decode()] = value
    del found["file"]
    return {name: value.decode() for name, value in found.items()}


def files(folder: Path | str) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("form", "suffix", "part"),
    [
        ("text", ".txt", b"Total\n"),
        ("json", ".json", b'"box": [10, 20, 110, 40]'),
        ("hocr", ".hocr", b"ocrx_word"),
        ("alto", ".xml", b"<String"),
        ("pdf", ".pdf", b"%PDF-"),
    ],
)
def test_a_file_of_each_document(
    run: Any, scan: Path, server: Any, form: str, suffix: str, part: bytes
) -> None:
    result = run(scan, SAMPLE, "--format", form, "-o", "out/")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert files("out") == [f"my scan{suffix}", f"receipt{suffix}"]
    for path in Path("out").iterdir():
        assert part in path.read_bytes()
    assert fields(server)["include_blocks"] == "true"
    assert fields(server)["include_image_base64"] == "false"


def test_markdown_with_its_figures(run: Any, scan: Path, server: Any) -> None:
    assert run(scan, "--format", "markdown", "-o", "out").exit_code == 0
    assert files("out") == ["my scan.figures/page-1-1.jpeg", "my scan.md"]
    text = Path("out/my scan.md").read_text()
    assert text == "# Total\n\n![img-0.jpeg](my%20scan.figures/page-1-1.jpeg)\n"
    assert Path("out/my scan.figures/page-1-1.jpeg").read_bytes() == b"jpeg"
    assert (fields(server)["include_blocks"], fields(server)["include_image_base64"]) == (
        "false",
        "true",
    )


def test_one_file(run: Any, scan: Path, tmp_path: Path) -> None:
    assert run(scan, "--format", "alto", "-o", "new/page.XML").exit_code == 0
    assert files("new") == ["page.XML"]
    result = run(scan, SAMPLE, "--format", "alto", "-o", "page.xml")
    assert (result.exit_code, "for one document" in result.stderr) == (2, True)
    Path("folder.xml").mkdir()
    assert run(scan, "--format", "alto", "-o", "folder.xml").exit_code == 0
    assert files("folder.xml") == ["my scan.xml"]


def test_two_documents_of_one_name(run: Any, scan: Path, server: Any, png: bytes) -> None:
    twin = scan.parent / "more" / "my scan.tif"
    twin.parent.mkdir()
    twin.write_bytes(png)
    result = run(scan, twin, "-o", "out")
    assert result.exit_code == 2
    assert "would both become out/my scan.txt" in result.stderr
    assert server.requests == []
    assert not Path("out").exists()
    assert run(scan, scan, "-o", "out").exit_code == 0


@pytest.mark.parametrize("there", ["my scan.md", "my scan.figures/mine.jpeg"])
def test_files_that_are_there_stay(run: Any, scan: Path, server: Any, there: str) -> None:
    path = Path("out", there)
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    result = run(scan, SAMPLE, "--format", "markdown", "-o", "out")
    assert result.exit_code == 1
    assert "--force replaces it" in result.stderr
    assert path.read_text() == "mine"
    assert len(server.requests) == 1  # nothing is read in vain
    assert Path("out/receipt.md").exists()
    assert run(scan, "--format", "markdown", "-o", "out", "--force").exit_code == 0
    assert "# Total" in Path("out/my scan.md").read_text()
    assert path.exists()


def test_standard_input_and_output(run: Any, png: bytes) -> None:
    assert run("-", "--format", "hocr", input=png).stdout.startswith("<?xml")
    assert run("-", "-o", "out", input=png).exit_code == 0
    assert files("out") == ["stdin.txt"]
    data = run(SAMPLE, "--format", "pdf").stdout_bytes
    assert pypdfium2.PdfDocument(data)[0].get_textpage().get_text_bounded() == "Total"
    result = run("-", "--format", "alto", input=b"")
    assert (result.exit_code, result.stderr) == (1, "qwen-ocr: standard input: empty\n")


def test_markdown_on_standard_output(run: Any, scan: Path, server: Any) -> None:
    server.answer_documents(PAGE, PAGE | {"index": 1, "markdown": "second"})
    text = PAGE["markdown"]
    assert run(scan, "--format", "markdown").stdout == f"{text}\n\nsecond\n"
    part = f"## {scan}\n\n{text}\n\nsecond\n"
    assert run(scan, scan, "--format", "markdown").stdout == f"{part}\n{part}"
    assert server.chats
    assert all(request.path == "/v1/ocr" for request in server.requests)


def test_text_of_a_document(run: Any, scan: Path, server: Any) -> None:
    result = run(scan, scan, "--text-layer")
    assert result.stdout == f"==> {scan} <==\nTotal\n\n==> {scan} <==\nTotal\n"
    assert fields(server)["text_layer"] == "prefer"
    (line,) = run(scan, "--format", "json", "--password", "sesame").stdout.splitlines()
    assert json.loads(line)["blocks"][0]["lines"][0]["text"] == "Total"
    assert json.loads(line)["file"] == str(scan)
    assert fields(server)["password"] == "sesame"


def test_pages_are_those_of_pdfs(run: Any, scan: Path, server: Any) -> None:
    assert run(SAMPLE, scan, "--pages", "2-", "-o", "out").exit_code == 0
    sent = [fields(server, place).get("pages") for place in (0, 1)]
    assert sorted(map(str, sent)) == ["1-", "None"]
    url = "https://example.org/folder/scan.pdf?x=1"
    assert run(url, "--pages", "2", "-o", "web").exit_code == 0
    assert server.requests[-1].body["pages"] == "1"
    assert files("web") == ["scan.txt"]


def test_a_page_that_fails(run: Any, scan: Path, server: Any) -> None:
    server.answer_documents(PAGE, FAILED)
    result = run(scan, "--format", "markdown", "-o", "out")
    assert result.exit_code == 1
    assert result.stderr == f"qwen-ocr: {scan}, page 2: it takes too long\n"
    text = Path("out/my scan.md").read_text()
    assert text.startswith("# Total")
    assert text.endswith("<!-- page 2 could not be read -->\n")


def test_doubtful_pages(run: Any, scan: Path, server: Any) -> None:
    about = {"confidence": 0.4, "warnings": ["low_confidence", "of_the_future"]}
    server.answer_documents(PAGE | {"qwen_ocr": about})
    result = run(scan, "--format", "hocr")
    assert result.exit_code == 0
    first, second = result.stderr.splitlines()
    assert first.startswith(f"qwen-ocr: {scan}, page 1: the model is not sure of this text")
    assert first.endswith("(confidence 0.40)")
    assert "of_the_future" in second
    result = run(scan, "--format", "text", "-o", "out", "--min-confidence", "0.5")
    assert result.exit_code == 1
    assert "confidence 0.40, 0.5 was asked for" in result.stderr
    assert Path("out/my scan.txt").read_text() == "\n"


def test_a_document_that_fails_does_not_stop_the_others(
    run: Any, scan: Path, server: Any, tmp_path: Path
) -> None:
    result = run(tmp_path / "gone.pdf", scan, "-o", "out")
    assert result.exit_code == 1
    assert result.stderr == f"qwen-ocr: {tmp_path / 'gone.pdf'}: No such file or directory\n"
    assert files("out") == ["my scan.txt"]
    error = {"message": "it is encrypted", "code": "wrong_password"}
    server.answer_documents(status=400, body=json.dumps({"error": error}).encode())
    result = run(scan, "--format", "alto", "-o", "more")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"qwen-ocr: {scan}: ")
    assert "it is encrypted" in result.stderr
    assert not Path("more").exists()


def test_a_disk_that_takes_no_file(run: Any, scan: Path) -> None:
    Path("out").write_text("a file")
    result = run(scan, "-o", "out")
    assert (result.exit_code, "a file stands where" in result.stderr) == (1, True)


@pytest.mark.parametrize("body", [b'{"detail": "Not Found"}', b"<html>nothing here"])
@pytest.mark.parametrize("options", [["-o", "out"], []])
def test_another_kind_of_server(
    run: Any, scan: Path, server: Any, body: bytes, options: list[str]
) -> None:
    server.answer_documents(status=404, body=body)
    result = run(scan, SAMPLE, "--format", "markdown", *options)
    assert (result.exit_code, result.stdout) == (1, "")
    # The fake itself complains there of connections that are given up.
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("qwen-ocr: "))
    assert "the server has no /v1/ocr" in line
    assert "--task markdown" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "hocr", "--prompt", "Read."], "--format hocr has no meaning with --prompt"),
        (["-o", "out", "--task", "text"], "-o has no meaning with --task"),
        (["--password", "x", "--task", "text"], "--password has no meaning with --task"),
        (["--format", "alto", "--dpi", "100"], "--dpi has no meaning with --format alto"),
        (["--format", "markdown", "--confidence"], "--confidence has no meaning with --format"),
        (["-o", "out", "--allow-truncated"], "--allow-truncated has no meaning with -o"),
        (["--force"], "--force has no meaning with standard output"),
        (["-o", "out", "--pages", "0"], "pages: '0'"),
    ],
)
def test_options_that_do_not_go_together(
    run: Any, server: Any, options: list[str], message: str
) -> None:
    result = run(SAMPLE, *options)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert message in line
    assert server.requests == []


def test_several_documents_need_a_folder(run: Any, scan: Path) -> None:
    result = run(scan, SAMPLE, "--format", "hocr")
    assert (result.exit_code, "say with -o" in result.stderr) == (2, True)
    result = run("https://example.org/a.pdf", "--format", "pdf", "-o", "out")
    assert (result.exit_code, "download it first" in result.stderr) == (2, True)
