"""What a terminal is told about a server whose log goes to a file."""

import os
from pathlib import Path

import pytest

from qwen_ocr_serve.launch.terminal import cause, new_log_file, url
from qwen_ocr_serve.settings import ServeSettings

ENGINE = """\
(EngineCore pid=2) INFO 11-28 18:00:00 [core.py:100] Initializing a V1 LLM engine
(EngineCore pid=2) ERROR 11-28 18:00:01 [core.py:9] Traceback (most recent call last):
(EngineCore pid=2) ERROR 11-28 18:00:01 [core.py:9] ValueError: No available memory for the cache.
Traceback (most recent call last):
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""
ARGUMENTS = """\
usage: terminal.py [-h] [--model MODEL]
terminal.py: error: unrecognized arguments: --sed 1
"""
VALIDATION = """\
Traceback (most recent call last):
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, the model has no tokens [type=value_error]
    For further information visit https://errors.pydantic.dev
"""


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (ENGINE, "ValueError: No available memory for the cache."),
        (ARGUMENTS, "unrecognized arguments: --sed 1"),
        (VALIDATION, "Error: 1 validation error for ModelConfig Value error, the model has no"),
        ("one\ntwo", "one\ntwo"),
        ("", "it left no message"),
    ],
)
def test_the_first_error_in_the_log_is_why_a_server_ended(log: str, reason: str) -> None:
    assert reason in cause(log)


@pytest.mark.parametrize(
    ("host", "flags", "address"),
    [
        ("127.0.0.1", [], "http://localhost:80"),
        ("0.0.0.0", [], "http://localhost:80"),
        ("::", [], "http://localhost:80"),
        ("192.0.2.1", [], "http://192.0.2.1:80"),
        ("2001:db8::1", ["--ssl-certfile=x"], "https://[2001:db8::1]:80"),
    ],
)
def test_the_address_is_one_that_a_browser_opens(host: str, flags: list[str], address: str) -> None:
    assert url(ServeSettings(host=host, port=80), flags) == address


def test_a_start_has_a_new_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = new_log_file(8000)
    with path.open("w") as old:
        old.write("old")
        assert new_log_file(8000) == path
        assert path.read_text() == ""
        old.write("a server that still runs")
    assert path.read_text() == ""


def test_a_log_is_kept_where_files_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert new_log_file(8000) == tmp_path / f"qwen-ocr-{os.getuid()}" / "serve-8000.log"
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "file"))
    with pytest.raises(OSError, match="no log can be written"):
        new_log_file(8000)
