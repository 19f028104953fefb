"""`qwen-ocr batch` as a user meets it; killing it and real servers are tested elsewhere."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image
from typer.testing import CliRunner

from qwen_ocr.settings import ClientSettings
from qwen_ocr_tools.batch.server import find_concurrency
from qwen_ocr_tools.cli import app

SAMPLE = Path(__file__).parents[2] / "samples" / "receipt.pdf"
Run = Callable[..., Any]


@pytest.fixture
def scans(tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three images, which is in the current folder."""
    folder = tmp_path / "scans"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "b.PNG", "sub/c.png"):
        (folder / name).write_bytes(png)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def run(server: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("QWEN_OCR_BASE_URL", server.url)
    monkeypatch.setenv("QWEN_OCR_MAX_RETRIES", "0")
    return lambda *args, **kwargs: CliRunner().invoke(
        app, ["batch", *map(str, args), "-o", "out.jsonl"], **kwargs
    )


def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("out.jsonl").read_text("utf-8").splitlines()]


def names() -> list[str]:
    """The files that have a line, in alphabetical order, as seen from the current folder."""
    return sorted(os.path.relpath(line["file"]) for line in lines())


ALL = ["scans/a.png", "scans/b.PNG", "scans/sub/c.png"]


def test_a_line_for_every_page(run: Run, scans: Path, server: Any) -> None:
    result = run("scans")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "3 pages read" in result.stderr
    assert names() == ALL
    for line in lines():
        assert (line["page"], line["pages"], line["text"]) == (1, 1, "TOTAL 12.50")
        assert (line["finish_reason"], line["request_id"]) == ("stop", "req-1")
        assert "words" not in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["scans/**/*"], ALL),
        (["scans/*"], ALL[:2]),
        (["scans/*.png", "scans/sub"], [ALL[0], ALL[2]]),
        (["scans/a.png", "./scans/../scans/a.png", "{folder}/scans/a.png"], ALL[:1]),
        (["scans", "scans/**/*.png", "scans/b.PNG"], ALL),
    ],
)
def test_each_file_once_however_it_is_named(
    run: Run, scans: Path, server: Any, arguments: list[str], expected: list[str]
) -> None:
    result = run(*(argument.format(folder=scans.parent) for argument in arguments))
    assert result.exit_code == 0
    assert names() == expected
    assert len(server.chats) == len(expected)


def test_a_list_on_standard_input(run: Run, scans: Path) -> None:
    result = run("-", input="scans/a.png\n\nscans/sub\nscans/gone.png\r\n")
    assert result.exit_code == 1
    assert names() == ["scans/a.png", "scans/gone.png", "scans/sub/c.png"]
    assert "gone.png: No such file or directory" in result.stderr


def test_a_list_with_names_that_are_not_unicode(run: Run, scans: Path) -> None:
    name = b"scans/\xff\xe9.png"
    Path(os.fsdecode(name)).write_bytes((scans / "a.png").read_bytes())
    assert run("-", input=name + b"\n").exit_code == 0
    assert names() == [os.fsdecode(name)]


def test_hidden_and_other_files_are_left_out(run: Run, scans: Path) -> None:
    for name in ("notes.txt", ".hidden.png", ".git/d.png"):
        (scans / name).parent.mkdir(exist_ok=True)
        (scans / name).write_bytes((scans / "a.png").read_bytes())
    result = run("scans")
    assert result.exit_code == 0
    assert names() == ALL
    assert "by their endings: 1" in result.stderr


def test_pages_of_pdfs_and_tiffs(run: Run, scans: Path) -> None:
    pdf = pypdfium2.PdfDocument.new()
    for _ in range(3):
        pdf.import_pages(pypdfium2.PdfDocument(SAMPLE))
    pdf.save(scans / "three.pdf")
    frames = [Image.new("L", (64, 48), 255) for _ in range(2)]
    frames[0].save(scans / "two.tiff", save_all=True, append_images=frames[1:])
    assert run("scans/three.pdf", "scans/two.tiff").exit_code == 0
    pages = sorted((Path(line["file"]).name, line["page"], line["pages"]) for line in lines())
    assert pages == [("three.pdf", n, 3) for n in (1, 2, 3)] + [("two.tiff", n, 2) for n in (1, 2)]


def unsure(text: str, confidence: float) -> dict[str, Any]:
    """A choice of which the model was as sure as this."""
    logprobs = {"content": [{"token": text, "logprob": math.log(confidence)}] if text else []}
    return {"message": {"content": text}, "finish_reason": "stop", "logprobs": logprobs}


def test_flagged_pages_are_counted_apart(run: Run, scans: Path, server: Any, answered: Any) -> None:
    server.answer(answered(choices=[unsure("sure", 0.9)]))
    server.answer_first(answered(choices=[unsure("S1b7", 0.3)]))
    server.answer_first(answered(choices=[unsure("", 1)]))
    result = run("scans", "--concurrency", "1")
    assert result.exit_code == 0
    assert ", 2 flagged: out.jsonl" in result.stderr
    assert 'flagged pages have "warnings" in their lines' in result.stderr
    found = {line["text"]: (line["confidence"], line["warnings"]) for line in lines()}
    assert found == {
        "": (None, ["no_text"]),
        "S1b7": (pytest.approx(0.3), ["low_confidence"]),
        "sure": (pytest.approx(0.9), []),
    }
    again = run("scans")
    assert "3 were there before, 2 flagged" in again.stderr


def test_min_confidence_makes_them_failures(
    run: Run, scans: Path, server: Any, answered: Any
) -> None:
    server.answer(answered(choices=[unsure("sure", 0.9)]))
    server.answer_first(answered(choices=[unsure("S1b7", 0.3)]))
    result = run("scans", "--concurrency", "1", "--min-confidence", "0.5")
    assert result.exit_code == 1
    assert "2 pages read" in result.stderr
    assert ", 1 failed: out.jsonl" in result.stderr
    assert "flagged pages" not in result.stderr
    (failed,) = [line for line in lines() if "error" in line]
    assert (failed["error"], failed["partial"]) == ("LowConfidenceError", "S1b7")
    assert (failed["confidence"], failed["warnings"]) == (pytest.approx(0.3), ["low_confidence"])


def test_what_the_model_cannot_do_stops_the_batch(run: Run, scans: Path, server: Any) -> None:
    result = run("scans", "--task", "table", "--model", "mini")
    assert result.exit_code == 1
    assert "(mini) was not taught 'table', only text" in result.stderr
    assert server.chats == []
    assert lines() == []


def test_a_broken_file_is_one_failed_line(run: Run, scans: Path) -> None:
    (scans / "broken.pdf").write_bytes(SAMPLE.read_bytes()[:500])
    (scans / "text.png").write_text("Dear Sir or Madam")
    (scans / "broken.tif").write_bytes(b"II*\0\xff\xff\xff\xff")
    result = run("scans")
    assert result.exit_code == 1
    assert "3 failed" in result.stderr
    assert "--retry-failed" in result.stderr
    errors = {Path(line["file"]).name: line["error"] for line in lines() if "error" in line}
    assert errors == {
        "broken.pdf": "PDFError",
        "text.png": "ImageError",
        "broken.tif": "ImageError",
    }
    assert len(lines()) == 6


def test_a_server_error_is_a_failed_line_with_its_reason(
    run: Run, scans: Path, server: Any
) -> None:
    server.answer_first(b'{"message": "too many tokens"}', status=400)
    result = run("scans", "--concurrency", 1)
    assert result.exit_code == 1
    (failed,) = [line for line in lines() if "error" in line]
    assert (failed["error"], failed["status"]) == ("BadRequestError", 400)
    assert "too many tokens" in failed["message"]
    assert f"{scans / 'a.png'}: " in result.stderr


def test_truncated_text_is_in_the_failed_line(
    run: Run, scans: Path, server: Any, answered: Any
) -> None:
    server.answer(answered("half a pa", finish_reason="length"))
    assert run("scans/a.png").exit_code == 1
    assert (lines()[0]["error"], lines()[0]["partial"]) == ("TruncatedError", "half a pa")
    assert "text" not in lines()[0]
    assert run("scans/a.png", "--retry-failed", "--allow-truncated").exit_code == 0
    assert (lines()[0]["text"], lines()[0]["finish_reason"]) == ("half a pa", "length")


def test_again_reads_nothing(run: Run, scans: Path, server: Any) -> None:
    run("scans")
    before = Path("out.jsonl").read_bytes()
    asked = len(server.chats)
    result = run(scans)
    assert result.exit_code == 0
    assert "0 pages read" in result.stderr
    assert "3 were there before" in result.stderr
    assert Path("out.jsonl").read_bytes() == before
    assert len(server.chats) == asked


def test_new_and_changed_files_are_read(run: Run, scans: Path, server: Any, answered: Any) -> None:
    run("scans")
    server.answer(answered("new"))
    (scans / "d.png").write_bytes((scans / "a.png").read_bytes())
    os.utime(scans / "a.png", ns=(5, 5))
    assert run("scans").exit_code == 0
    assert names() == sorted([*ALL, "scans/d.png"])
    new = {Path(line["file"]).name for line in lines() if line["text"] == "new"}
    assert new == {"a.png", "d.png"}


def test_retry_failed(run: Run, scans: Path, server: Any) -> None:
    server.answer_first(b"{}", status=400)
    run("scans", "--concurrency", 1)
    asked = len(server.chats)
    assert run("scans").exit_code == 1  # a failed page stays failed …
    assert len(server.chats) == asked
    assert run("scans", "--retry-failed").exit_code == 0  # … until it is read again
    assert len(server.chats) == asked + 1
    assert names() == ALL
    assert all("error" not in line for line in lines())


def test_failures_of_other_inputs_are_not_lost(run: Run, scans: Path, server: Any) -> None:
    server.answer(b"{}", status=400)
    run("scans")
    assert run("scans/a.png", "--retry-failed").exit_code == 1
    assert names() == ALL


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        (["nowhere/*.png"], "no file matches"),
        (["empty"], "an empty folder"),
        (["notes.txt"], "neither an image nor a PDF"),
        (["scans", "--prompt", ""], "the prompt is empty"),
        (["scans", "--prompt", "a", "--task", "text"], "give one of them"),
        (["scans", "--dpi", "1"], "dpi"),
        (["scans", "--base-url", "nowhere"], "base_url"),
    ],
)
def test_wrong_usage(run: Run, scans: Path, arguments: list[str], message: str) -> None:
    Path("empty").mkdir()
    Path("notes.txt").touch()
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not Path("out.jsonl").exists()


@pytest.mark.parametrize("arguments", [["scans"], ["scans", "-o", "x", "--concurrency", "0"]])
def test_typer_refuses(scans: Path, arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["batch", *arguments]).exit_code == 2


def test_no_server(run: Run, scans: Path, dead_url: str) -> None:
    result = run("scans", "--base-url", dead_url)
    assert result.exit_code == 1
    assert "qwen-ocr serve" in result.stderr
    assert not Path("out.jsonl").exists()


@pytest.mark.parametrize(("status", "error"), [(401, "API key"), (404, "no such model")])
def test_what_fails_for_every_page_stops_the_batch(
    run: Run, scans: Path, server: Any, status: int, error: str
) -> None:
    server.answer(b'{"message": "no"}', status=status)
    result = run("scans")
    assert result.exit_code == 1
    assert error in result.stderr
    assert "the same command goes on from there" in result.stderr
    assert lines() == []


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_ends_does_not_fail_the_pages_that_are_left(
    run: Run, scans: Path, server: Any, answered: Any, status: int
) -> None:
    server.answer(b"{}", status=status)
    server.answer_first(answered())
    server.health.status = 503
    result = run("scans", "--concurrency", 1)
    assert result.exit_code == 1
    assert "not ready" in result.stderr
    assert names() == ["scans/a.png"]
    server.answer(answered())
    server.health.status = 200
    assert run("scans").exit_code == 0
    assert names() == ALL


def test_one_page_that_breaks_the_server_does_not_stop_the_batch(
    run: Run, scans: Path, server: Any
) -> None:
    server.answer_first(b"{}", status=500)
    assert run("scans", "--concurrency", 1).exit_code == 1
    assert names() == ALL
    assert [line.get("error") for line in lines()] == ["ServerError", None, None]


def test_no_more_at_a_time_than_the_server_takes(
    run: Run, scans: Path, server: Any, png: bytes
) -> None:
    server.health.status, server.health.body = 200, b'{"max_concurrent": 3}'
    server.answers[0].delay = 0.1
    for number in range(20):
        (scans / f"{number}.png").write_bytes(png)
    most = 0
    running: list[Any] = []

    def count(handler: Any, handle: Any = server.handle) -> None:
        nonlocal most
        running.append(handler)
        most = max(most, len(running))
        handle(handler)
        running.remove(handler)

    server.handle = count
    assert run("scans").exit_code == 0
    assert most == 3


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"max_concurrent": 64}', 64),
        (200, b'{"max_concurrent": 9999}', 128),
        (200, b'{"max_concurrent": 0}', 32),
        (200, b"OK", 32),
        (404, b'{"detail": "Not Found"}', 32),
    ],
)
def test_concurrency(server: Any, status: int, body: bytes, expected: int) -> None:
    server.health.status, server.health.body = status, body
    assert find_concurrency(ClientSettings.load(base_url=server.url)) == expected


def test_options_reach_the_server(run: Run, scans: Path, server: Any) -> None:
    arguments = ["--task", "markdown", "--confidence", "--max-tokens", 9, "--api-key", "k"]
    run("scans/a.png", *arguments, "--model", "m")
    (request,) = [r for r in server.requests if r.method == "POST"]
    assert request.headers["authorization"] == "Bearer k"
    assert (request.body["model"], request.body["logprobs"]) == ("m", True)
    assert request.body["max_completion_tokens"] == 9
    assert request.body["messages"][0]["content"][1]["text"] == "qwenvl markdown"
    assert lines()[0]["prompt"] == "qwenvl markdown"


def test_another_prompt_needs_another_output(run: Run, scans: Path) -> None:
    run("scans")
    result = run("scans", "--task", "html")
    assert result.exit_code == 2
    assert "another prompt" in result.stderr


def test_file_names_that_are_not_unicode(run: Run, scans: Path) -> None:
    name = os.fsdecode(b"scans/\xff\xe9.png")
    Path(name).write_bytes((scans / "a.png").read_bytes())
    assert run("scans").exit_code == 0
    assert name in names()
    assert "0 pages read" in run("scans").stderr


def test_ctrl_c_keeps_what_is_done(
    run: Run, scans: Path, server: Any, png: bytes, answered: Any
) -> None:
    for number in range(20):
        (scans / f"{number}.png").write_bytes(png)
    server.answer(answered(), delay=30)  # after ten pages
    for _ in range(10):
        server.answer_first(answered())
    program = [sys.executable, "-c", "from qwen_ocr_tools.cli import app; app()", "batch", "scans"]
    command = [*program, "-o", "out.jsonl", "--concurrency", "4", "--base-url", server.url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30
        while not Path("out.jsonl").exists() or len(lines()) < 10:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "the same command goes on from there" in errors
    done = lines()
    assert len(done) == 10
    server.answer(answered())
    assert run("scans").exit_code == 0
    assert lines()[: len(done)] == done
    assert len(names()) == len(set(names())) == 23
