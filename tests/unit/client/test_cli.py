"""`qwen-ocr read`: text to stdout, everything else to stderr, one line per failure."""

import json
import os
import pathlib
import pty
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pypdfium2
import pytest
from typer.testing import CliRunner

from qwen_ocr import DEFAULT_PROMPT, Task
from qwen_ocr.cli import app

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
    (request,) = server.requests
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
    result = run(text, scan, tmp_path, tmp_path / "none.png")
    assert result.exit_code == 1
    assert result.stdout == f"==> {scan} <==\nTOTAL 12.50\n"
    lines = result.stderr.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        f"qwen-ocr: {text}: not an image in a known format",
        f"qwen-ocr: {tmp_path}: Is a directory",
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


@pytest.mark.parametrize("command", [[], ["read"]])
def test_help_has_an_example_for_every_command() -> None:
    for command in ("read", "batch", "extract"):
        shown = CliRunner().invoke(app, [command, "--help"]).stdout
        assert f"Example: qwen-ocr {command} " in shown
