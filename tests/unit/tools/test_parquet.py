"""`qwen-ocr batch` with an output in Parquet."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from qwen_ocr_tools.cli import app

Run = Callable[..., Any]


@pytest.fixture
def run(server: Any, tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, with a folder of an image and a file that is none."""
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "a.png").write_bytes(png)
    (folder / "b.png").write_bytes(b"no image")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QWEN_OCR_BASE_URL", server.url)
    monkeypatch.setenv("QWEN_OCR_MAX_RETRIES", "0")
    return lambda *args: CliRunner().invoke(app, ["batch", "scans", *map(str, args)])


def rows(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pyarrow.parquet.read_table(name).to_pylist()
    return found


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text("utf-8").splitlines()]


def test_rows_are_the_lines(run: Run) -> None:
    assert run("-o", "out.parquet", "--confidence").exit_code == 1
    found, kept = rows("out.parquet"), lines("out.parquet.jsonl")
    assert len(found) == len(kept) == 2
    for row, line in zip(found, kept, strict=True):
        assert {name: row[name] for name in line} == line
        assert {row[name] for name in row.keys() - line.keys()} <= {None}


def test_the_same_command_goes_on(run: Run, server: Any, png: bytes) -> None:
    run("-o", "out.parquet")
    assert len(server.chats) == 1
    Path("scans/b.png").write_bytes(png)
    assert run("-o", "out.parquet").exit_code == 0
    assert len(server.chats) == 2
    assert {row["text"] for row in rows("out.parquet")} == {"TOTAL 12.50"}


def test_a_stopped_batch_leaves_no_parquet(run: Run, dead_url: str) -> None:
    assert run("-o", "out.parquet", "--base-url", dead_url, "--concurrency", 1).exit_code == 1
    assert not Path("out.parquet").exists()


def test_names_that_are_not_unicode(run: Run, png: bytes) -> None:
    Path(os.fsdecode(b"scans/\xff.png")).write_bytes(png)
    run("-o", "out.parquet")
    assert {Path(row["file"]).name for row in rows("out.parquet")} == {"a.png", "b.png", "?.png"}


def test_many_rows(run: Run, monkeypatch: pytest.MonkeyPatch, png: bytes) -> None:
    monkeypatch.setattr("qwen_ocr_tools.batch.parquet.GROUP", 2)
    for number in range(5):
        Path(f"scans/{number}.png").write_bytes(png)
    run("-o", "out.parquet")
    assert len(rows("out.parquet")) == 7


def test_without_pyarrow(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run("-o", "out.parquet")
    assert result.exit_code == 2
    assert "Parquet needs pyarrow: pip install 'qwen-ocr[ray]'" in result.stderr
