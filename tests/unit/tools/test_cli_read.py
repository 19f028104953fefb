"""`qwen-ocr read`: text to stdout, everything else to stderr, one line per failure."""

import base64
import json
import os
import pathlib
import pty
import subprocess
import sys
from contextlib import suppress
from io import BytesIO
from typing import Any

import pypdfium2
import pytest
from PIL import Image
from typer.testing import CliRunner

from qwen_ocr import DEFAULT_PROMPT, Task
from qwen_ocr_tools.cli import app

SAMPLE = pathlib.Path(__file__).parents[2] / "samples" / "receipt.pdf"


@pytest.fixture
def run(server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("QWEN_OCR_BASE_URL", server.url)
    monkeypatch.setenv("QWEN_OCR_MAX_RETRIES", "0")
    return lambda *args, **kwargs: CliRunner().invoke(app, ["read", *map(str, args)], **kwargs)


@pytest.fixture
def scan(tmp_path: pathlib.Path, png: bytes) -> pathlib.Path:
    path = tmp_path / "scan.png"
    path.write_bytes(png)
    return path


def test_one_file_prints_only_its_text(run: Any, scan: pathlib.Path, server: Any) -> None:
    result = run(scan)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "TOTAL 12.50\n", "")
    assert server.chats[0]["messages"][0]["content"][1]["text"] == DEFAULT_PROMPT


def test_several_files_get_headers(run: Any, scan: pathlib.Path) -> None:
    result = run(scan, scan)
    part = f"==> {scan} <==\nTOTAL 12.50\n"
    assert (result.exit_code, result.stdout) == (0, f"{part}\n{part}")


def test_options(run: Any, scan: pathlib.Path, server: Any) -> None:
    run(scan, "--prompt", "Read the total.", "--api-key", "k", "--model", "m")
    request = server.requests[-1]
    assert request.headers["authorization"] == "Bearer k"
    assert request.body["model"] == "m"
    assert request.body["messages"][0]["content"][1]["text"] == "Read the total."


def test_standard_input(run: Any, png: bytes) -> None:
    assert run("-", input=png).stdout == "TOTAL 12.50\n"


def test_one_bad_file_does_not_stop_the_others(
    run: Any, scan: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    text = tmp_path / "text.png"
    text.write_text("Dear Sir or Madam")
    result = run(text, scan, tmp_path / "none.png")
    assert result.exit_code == 1
    assert result.stdout == f"==> {scan} <==\nTOTAL 12.50\n"
    lines = result.stderr.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        f"qwen-ocr: {text}: not an image in a known format",
        f"qwen-ocr: {tmp_path / 'none.png'}: No such file or directory",
    ]


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (["--prompt", " "], "the prompt is empty", 2),
        (["--prompt", "a", "--task", "html"], "--prompt and --task", 2),
        (["--dpi", "3"], "dpi", 2),
        (["--base-url", "localhost"], "base_url", 2),
        (["--base-url", "http://localhost:1"], "qwen-ocr serve", 1),
        (["--api-key", "clé"], "api_key", 2),
    ],
)
def test_failures_are_one_line(
    run: Any, scan: pathlib.Path, options: list[str], message: str, code: int
) -> None:
    result = run(scan, *options)
    assert isinstance(result.exception, SystemExit)
    assert (result.exit_code, result.stdout) == (code, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("qwen-ocr: ")
    assert message in line


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_server_errors_are_one_line(run: Any, scan: pathlib.Path, server: Any, status: int) -> None:
    server.answer(json.dumps({"error": {"message": "the\nreason"}}).encode(), status=status)
    result = run(scan)
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"qwen-ocr: {scan}: ")
    assert "the reason" in line


def test_truncated_text(run: Any, scan: pathlib.Path, server: Any, answered: Any) -> None:
    server.answer(answered("half a pa", finish_reason="length"))
    result = run(scan)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cut off" in result.stderr
    result = run(scan, "--allow-truncated")
    assert (result.exit_code, result.stdout) == (0, "half a pa\n")


def test_a_doubtful_page_is_told_on_stderr(
    run: Any, scan: pathlib.Path, server: Any, answered: Any
) -> None:
    choice = {
        "message": {"content": "S1b7"},
        "finish_reason": "stop",
        "logprobs": {"content": [{"token": "S1b7", "logprob": -1.0}]},
    }
    server.answer(answered(choices=[choice]))
    result = run(scan, "--format", "json")
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"qwen-ocr: {scan}: the model is not sure of this text: look at it")
    assert line.endswith("(confidence 0.37)")
    record = json.loads(result.stdout)
    assert record["confidence"] == pytest.approx(0.37, abs=0.01)
    assert record["warnings"] == ["low_confidence"]
    assert "words" not in record
    server.answer(answered(""))
    result = run(scan)
    assert (result.exit_code, result.stdout) == (0, "\n")
    assert f"{scan}: no text was found" in result.stderr


@pytest.mark.usefixtures("doubtful")
def test_min_confidence_makes_it_a_failure(run: Any, scan: pathlib.Path) -> None:
    result = run(scan, "--min-confidence", "0.8")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "(confidence 0.77, 0.8 was asked for)" in result.stderr
    assert run(scan, "--min-confidence", "0.7").exit_code == 0
    assert run(scan, "--min-confidence", "70").exit_code == 2


def test_a_folder_is_for_batch(run: Any, scan: pathlib.Path, server: Any) -> None:
    folder = scan.parent / "my scans"
    folder.mkdir()
    result = run(scan, folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"qwen-ocr: {folder}: a folder; use qwen-ocr batch '{folder}' -o pages.jsonl\n"
    )
    assert server.requests == []


def test_what_the_model_cannot_do_is_said_once(run: Any, scan: pathlib.Path, server: Any) -> None:
    result = run(scan, scan, "--task", "markdown", "--model", "mini")
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert "(mini) was not taught 'markdown', only text" in line
    assert server.chats == []


def test_some_pages_of_a_pdf(run: Any, scan: pathlib.Path, tmp_path: pathlib.Path) -> None:
    document = pypdfium2.PdfDocument.new()
    for _ in range(3):
        document.import_pages(pypdfium2.PdfDocument(SAMPLE))
    path = tmp_path / "three.pdf"
    document.save(path)
    result = run(path, scan, "--pages", "3,1")
    assert result.exit_code == 0
    titles = [line for line in result.stdout.splitlines() if line.startswith("==>")]
    assert titles == [f"==> {path}, page 3 <==", f"==> {path}, page 1 <==", f"==> {scan} <=="]
    result = run(path, "--pages", "4")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no page 4 among 3" in result.stderr


def test_max_image_tokens(run: Any, tmp_path: pathlib.Path, server: Any) -> None:
    path = tmp_path / "large.png"
    Image.new("L", (640, 640), 255).save(path)
    assert run(path, "--max-image-tokens", "100").exit_code == 0
    url = server.chats[-1]["messages"][0]["content"][0]["image_url"]["url"]
    sent = Image.open(BytesIO(base64.b64decode(url.partition(",")[2])))
    assert sent.size == (320, 320)


@pytest.mark.parametrize("command", ["", "read", "batch", "extract"])
def test_help_has_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"Example: qwen-ocr {command or 'read'} " in result.stdout


def test_no_file_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["read"]).exit_code == 2


def test_a_real_process_shows_no_traceback(dead_url: str, scan: pathlib.Path) -> None:
    program = [sys.executable, "-c", "from qwen_ocr_tools.cli import app; app()", "read", str(scan)]
    done = subprocess.run(
        [*program, "--base-url", dead_url], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "is the server running" in done.stderr


def test_every_task_can_be_named(run: Any, scan: pathlib.Path, server: Any) -> None:
    for task in Task:
        assert run(scan, "--task", task.name.lower()).exit_code == 0
        assert server.chats[-1]["messages"][0]["content"][1]["text"] == task


def test_pages_of_a_pdf_in_order(run: Any, tmp_path: pathlib.Path) -> None:
    document = pypdfium2.PdfDocument.new()
    for _ in range(3):
        document.import_pages(pypdfium2.PdfDocument(SAMPLE))
    document.save(tmp_path / "three.pdf")
    result = run(tmp_path / "three.pdf", SAMPLE)
    assert result.exit_code == 0
    titles = [line for line in result.stdout.splitlines() if line.startswith("==>")]
    pages = [f"{tmp_path / 'three.pdf'}, page {n}" for n in (1, 2, 3)]
    assert titles == [f"==> {name} <==" for name in [*pages, str(SAMPLE)]]
    assert run(SAMPLE).stdout == "TOTAL 12.50\n"
    assert run("-", input=SAMPLE.read_bytes()).stdout == "TOTAL 12.50\n"


def test_nothing_on_standard_input(run: Any) -> None:
    result = run("-", input=b"")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "qwen-ocr: standard input: empty\n"


def test_file_names_that_are_not_unicode(run: Any, scan: pathlib.Path) -> None:
    path = scan.with_name(os.fsdecode(b"\xff.png"))
    path.write_bytes(scan.read_bytes())
    result = run(path, path)
    assert result.exit_code == 0
    assert result.stdout_bytes.startswith(b"==> " + os.fsencode(path) + b" <==\nTOTAL")
    (line, _) = run(path, path, "--format", "json").stdout.splitlines()
    assert json.loads(line)["file"] == str(path)


def test_json_lines(run: Any, scan: pathlib.Path, server: Any, answered: Any) -> None:
    server.answer(answered("Café\n1"))
    result = run(scan, scan, "--format", "json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 2
    assert lines[0]["text"] == "Café\n1"
    assert (lines[0]["file"], lines[0]["page"]) == (str(scan), 1)
    assert "words" not in lines[0]


def test_markdown(run: Any, scan: pathlib.Path, server: Any) -> None:
    result = run(scan, scan, "--format", "markdown", "--task", "markdown")
    assert result.stdout == f"## {scan}\n\nTOTAL 12.50\n\n## {scan}\n\nTOTAL 12.50\n"
    assert server.chats[0]["messages"][0]["content"][1]["text"] == Task.MARKDOWN
    run(scan, "--format", "markdown", "--prompt", "Read the total.")
    assert server.chats[-1]["messages"][0]["content"][1]["text"] == "Read the total."


@pytest.fixture
def doubtful(server: Any, answered: Any) -> None:
    """An answer whose second word is more likely wrong than right."""
    tokens = [("TOTAL", -0.1), (" 12", -0.5), (".50", -0.4), ("\n", -9.0), ("Ende", 0.0)]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "TOTAL 12.50\nEnde"},
        "finish_reason": "stop",
        "logprobs": {"content": [{"token": text, "logprob": value} for text, value in tokens]},
    }
    server.answer(answered(choices=[choice]))


@pytest.mark.usefixtures("doubtful")
def test_doubtful_words_are_marked(run: Any, scan: pathlib.Path) -> None:
    assert run(scan, "--confidence").stdout == "TOTAL 12.50[?]\nEnde\n"
    (line,) = run(scan, "--confidence", "--format", "json").stdout.splitlines()
    words = {word["text"]: word["confidence"] for word in json.loads(line)["words"]}
    assert words == {
        "TOTAL": pytest.approx(0.905, abs=1e-3),
        "12.50": pytest.approx(0.407, abs=1e-3),
        "Ende": 1.0,
    }


@pytest.mark.usefixtures("doubtful")
def test_doubtful_words_are_coloured_on_a_terminal(scan: pathlib.Path, server: Any) -> None:
    """The program's stdout is a real pseudo-terminal."""
    program = [sys.executable, "-c", "from qwen_ocr_tools.cli import app; app()", "read", str(scan)]
    leader, follower = pty.openpty()
    command = [*program, "--confidence", "--base-url", server.url]
    with subprocess.Popen(command, stdout=follower, stderr=subprocess.PIPE) as process:
        os.close(follower)
        output = b""
        with suppress(OSError):  # how a terminal says that nobody writes to it any more
            while data := os.read(leader, 4096):
                output += data
        assert process.wait(60) == 0
    os.close(leader)
    assert output.decode() == "TOTAL \x1b[31m\x1b[4m12.50\x1b[0m\r\nEnde\r\n"


def test_no_confidences(run: Any, scan: pathlib.Path, server: Any, answered: Any) -> None:
    result = run(scan, "--confidence")
    assert result.stdout == "TOTAL 12.50\n"
    assert "the server sent no confidences" in result.stderr
    server.answer(answered(""))  # a blank page has nothing to be sure of
    assert "no confidences" not in run(scan, "--confidence").stderr
