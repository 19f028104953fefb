"""The `serve` command: options, messages, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from tests.machine import needs_vllm
from typer.testing import CliRunner, Result

from qwen_ocr_serve.cli.app import app
from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.launch.launcher import SERVER_MODULE, Launch
from qwen_ocr_serve.launch.local_server import free_port
from qwen_ocr_serve.launch.precision import Choice
from qwen_ocr_serve.settings import SECRET_FIELDS, ServeSettings
from qwen_ocr_serve.vllm_patches import ENGINE_THREADS

SLOW = Installation(True, False, precision=Choice("float32", 2, slowdown=6.5), cores=2)


def serve(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["serve", *arguments], env={"COLUMNS": "200"})


def test_every_setting_is_an_option_with_its_variable() -> None:
    output = serve("--help").output
    assert "--api-keys " not in output
    assert "QWEN_OCR_API_KEYS=name:secret" in output
    for name in set(ServeSettings.model_fields) - SECRET_FIELDS:
        assert "--" + name.replace("_", "-") in output
        assert f"QWEN_OCR_{name.upper()}" in output


@needs_vllm
def test_dry_run_prints_the_command_and_starts_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QWEN_OCR_API_KEYS", "alice:wonder")
    result = serve("--dry-run", "--port", "9000", "--", "--seed", "1")
    assert "wonder" not in result.output
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "VLLM_PLUGINS=qwen_ocr \\"
    assert "  --port 9000 \\" in lines
    assert lines[-1] == "  --seed 1"


def test_a_model_of_no_known_family_is_served_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Installation, "detect", lambda: Installation(True, False))
    assert serve("--dry-run", "--model", "Qwen/Qwen3-VL-8B-Instruct").stderr == ""
    result = serve("--dry-run", "--model", "somebody/reader")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: somebody/reader is of no known family")


def test_where_16_bits_are_slow_a_larger_model_is_served_with_a_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Installation, "detect", lambda: SLOW)
    larger = ("--dry-run", "--model", "Qwen/Qwen3-VL-2B-Instruct")
    note = serve(*larger).stderr
    assert "bfloat16 takes 6.5 times as long here (measured)" in note
    assert "-- --dtype float32" in note
    assert serve(*larger, "--", "--dtype", "float32").stderr == ""
    assert serve(*larger, "--", "--dtype=bfloat16").stderr == ""
    assert serve("--dry-run").stderr == ""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Launch]:
    """What `serve` would become, on a free port and a processor that is slow with 16 bits."""
    launches: list[Launch] = []
    monkeypatch.setattr(Launch, "execute", lambda launch: launches.append(launch))
    monkeypatch.setattr(Installation, "detect", lambda: SLOW)
    monkeypatch.setenv("QWEN_OCR_PORT", str(free_port()))
    return launches


@pytest.mark.parametrize(
    ("flags", "environ", "message"),
    [
        (
            (),
            {},
            "computing in float32 with 2 threads: bfloat16 takes 6.5 times as long here (measured)",
        ),
        (("--", "--dtype", "bfloat16"), {}, "computing in bfloat16 with 2 threads: as told"),
        (
            ("--", "--dtype=half", "--dtype=float32"),
            {"OMP_NUM_THREADS": "1"},
            "computing in float32 with 1 thread: as told",
        ),
    ],
)
def test_what_computes_is_one_line_of_the_log(
    started: list[Launch],
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    environ: dict[str, str],
    message: str,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    (line,) = serve(*flags).stdout.splitlines()
    assert json.loads(line)["message"] == message
    (launch,) = started
    assert launch.argv[2] == SERVER_MODULE
    assert launch.env[ENGINE_THREADS] == ("1" if environ else "2")


def test_a_terminal_gets_a_few_lines_and_the_log_a_file(
    started: list[Launch], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("qwen_ocr_serve.cli.serve._on_terminal", lambda: True)
    what, keys, log, starting = serve("--log-format", "text").stdout.splitlines()
    assert "serves mini, computing in float32 with 2 threads: bfloat16 takes" in what
    assert "only this machine can connect" in keys
    file = tmp_path / "qwen-ocr" / f"serve-{os.environ['QWEN_OCR_PORT']}.log"
    assert str(file) in log
    assert file.stat().st_mode & 0o777 == 0o600  # it may hold what callers sent
    assert starting.startswith("Starting (")
    monkeypatch.setenv("QWEN_OCR_API_KEYS", "alice:wonder")
    assert "Keys: needed" in serve().stdout
    assert [launch.argv[3] for launch in started] == [str(file)] * 2

    started.clear()
    assert "Log: " not in serve("--verbose").stdout
    assert started[0].argv[2] == SERVER_MODULE


@needs_vllm
def test_options_win_over_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_OCR_PORT", "1")
    monkeypatch.setenv("QWEN_OCR_MAX_IMAGES", "3")
    output = serve("--dry-run", "--port", "9000").stdout
    assert "--port 9000" in output
    assert '{"image": 3, "video": 0}' in output


def test_a_wrong_value_is_a_usage_error() -> None:
    result = serve("--port", "70000")
    assert result.exit_code == 2
    assert result.stderr == "error: --port: Input should be less than or equal to 65535\n"


def test_an_unknown_variable_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_OCR_PROT", "1")
    result = serve()
    assert result.exit_code == 2
    assert result.stderr == "error: unknown variable QWEN_OCR_PROT; did you mean QWEN_OCR_PORT?\n"


def test_a_server_that_cannot_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(self: Launch) -> NoReturn:
        raise AssertionError("started")

    monkeypatch.setattr(Launch, "execute", unexpected)
    monkeypatch.setattr(Installation, "detect", lambda: Installation(True, False))
    result = serve("--model", "/missing")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: /missing does not hold a model")
    assert result.stderr.count("\n") == 1


def test_the_command_line_is_there_without_loading_the_engine() -> None:
    # Nor what comes with vLLM: with the client alone, the command line has to work as well.
    code = (
        "import sys, qwen_ocr_serve.cli.app; "
        "heavy = {'torch', 'vllm', 'transformers', 'starlette', 'aiohttp', 'prometheus_client'}; "
        "print(heavy & {*sys.modules})"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "set()\n"
