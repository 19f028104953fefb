"""`qwen-ocr doctor`: each check under the conditions that it is there to find."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.machine import needs_vllm
from typer.testing import CliRunner, Result

from qwen_ocr_serve.cli import checks
from qwen_ocr_serve.cli.app import app
from qwen_ocr_serve.cli.checks import CHECKS
from qwen_ocr_serve.cli.findings import Context, Finding, Level
from qwen_ocr_serve.launch import machine
from qwen_ocr_serve.launch.local_server import free_port
from qwen_ocr_serve.settings import ServeSettings

HEALTHY = {"status": "healthy", "model_loaded": True, "model": "mini"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments], env={"COLUMNS": "200"})


def context(server_url: str | None = None, /, **settings: object) -> Context:
    return Context(ServeSettings(**settings), server_url)  # type: ignore[arg-type]


@contextmanager
def answering(health: object, models_status: int = 200) -> Iterator[int]:
    """A server that gives these answers, where a real one cannot be made to; yields its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else models_status)
            self.end_headers()
            self.wfile.write(json.dumps(health).encode())

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@needs_vllm
def test_a_machine_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "free_memory_gib", lambda: 16.0)  # other tests may be using it
    result = run("--port", str(free_port()))
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == len(CHECKS)
    assert "fail" not in result.stdout


def test_what_is_broken_is_named_with_its_remedy() -> None:
    with answering("something else") as port:
        result = run("--port", str(port))
    assert result.exit_code == 1
    [line] = [line for line in result.stdout.splitlines() if line.startswith("fail  start")]
    assert f"cannot listen on 127.0.0.1:{port}" in line
    assert "→ choose another --port" in result.stdout


def test_the_port_of_a_running_server_is_no_failure() -> None:
    with answering(HEALTHY) as port:
        assert checks.check_start(context(port=port)).level is Level.OK


def test_a_missing_model_is_found(tmp_path: Path) -> None:
    finding = checks.check_start(context(model=str(tmp_path), port=free_port()))
    assert finding.level is Level.FAIL
    assert "no config.json" in finding.message


def test_an_open_address_without_a_key_is_found() -> None:
    finding = checks.check_start(context(host="0.0.0.0", port=free_port()))
    assert finding.level is Level.FAIL
    assert "QWEN_OCR_API_KEYS" in finding.message


def test_a_cache_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Below a file, where no user may create anything, not even root.
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file" / "cache"))
    finding = checks.check_cache(context())
    assert finding.level is Level.FAIL
    assert "HF_HOME" in finding.remedy


def test_a_disk_that_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    finding = checks.check_cache(context(model="Qwen/Qwen3.5-397B-A17B"))
    assert finding.level is Level.FAIL
    assert "740.1 GiB needed" in finding.message


def test_a_model_that_is_there_needs_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    snapshot = tmp_path / "hub" / "models--Qwen--Qwen3.5-397B-A17B" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").touch()
    finding = checks.check_cache(context(model="Qwen/Qwen3.5-397B-A17B"))
    assert finding.level is Level.OK
    assert "1.0 GiB needed" in finding.message


def test_a_download_that_is_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    finding = checks.check_cache(context(model="Qwen/Qwen3-VL-2B-Instruct"))
    assert finding.level is Level.FAIL
    assert "HF_HUB_OFFLINE" in finding.message


def test_memory_is_compared_with_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "gpu_memories", lambda: None)
    finding = checks.check_memory(context(model="Qwen/Qwen3.5-397B-A17B"))
    assert finding.level is Level.FAIL
    assert "745.6 GiB" in finding.message  # 739.1 of weights, 4 of cache, 2.5 of processes
    doubled = checks.check_memory(context(model="Qwen/Qwen3.5-397B-A17B", replicas=2))
    assert "in 2 replicas takes about 1491.2 GiB" in doubled.message
    unknown = checks.check_memory(context(model="someone/else"))
    assert unknown.level is Level.WARN


# A machine with NVIDIA GPUs cannot be had in every test run: what nvidia-smi would say is given.
@pytest.mark.parametrize(
    ("memories", "settings", "check", "level", "words"),
    [
        (None, {}, checks.check_gpu, Level.FAIL, "no driver"),
        ([24.0], {"gpus": 2}, checks.check_gpu, Level.FAIL, "1 found, 2 wanted"),
        ([24.0] * 3, {"gpus": 2, "replicas": 2}, checks.check_gpu, Level.FAIL, "3 found, 4 wanted"),
        ([79.6, 79.6], {"gpus": 2}, checks.check_gpu, Level.OK, "2 with 79.6, 79.6 GiB"),
        ([24.0], {"model": "Qwen/Qwen3-VL-32B-Instruct"}, checks.check_memory, Level.FAIL, "fit"),
        ([79.6], {"model": "Qwen/Qwen3-VL-8B-Instruct"}, checks.check_memory, Level.OK, "pages"),
    ],
)
def test_gpus(
    monkeypatch: pytest.MonkeyPatch,
    memories: list[float] | None,
    settings: dict[str, object],
    check: Callable[[Context], Finding],
    level: Level,
    words: str,
) -> None:
    monkeypatch.setattr(machine, "gpu_memories", lambda: memories)
    monkeypatch.setattr(machine, "installed", lambda name: name == "vllm")
    finding = check(context(**settings))
    assert (finding.level, words in finding.message) == (level, True), finding


def test_a_client_needs_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "installed", lambda name: False)
    assert checks.check_torch(context()).level is Level.WARN
    assert checks.check_gpu(context()).level is Level.OK


@pytest.mark.parametrize(
    ("health", "models_status", "level", "words"),
    [
        (HEALTHY, 200, Level.OK, "serves mini"),
        (HEALTHY, 401, Level.FAIL, "refuses the key"),
        ({**HEALTHY, "status": "unhealthy"}, 200, Level.FAIL, "unhealthy"),
        ("<html>", 200, Level.FAIL, "something else answers"),
    ],
)
def test_a_server_is_asked(health: object, models_status: int, level: Level, words: str) -> None:
    with answering(health, models_status) as port:
        finding = checks.check_server(context(f"http://127.0.0.1:{port}"))
    assert finding.level is level
    assert words in finding.message


def test_no_server(tmp_path: Path) -> None:
    finding = checks.check_server(context(f"http://127.0.0.1:{free_port()}"))
    assert finding.level is Level.FAIL
    assert "qwen-ocr serve" in finding.remedy


def test_free_memory_is_a_number_of_gib() -> None:
    assert 0 < machine.free_memory_gib() < 100_000


def test_a_wrong_setting_is_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_OCR_PROT", "1")
    result = run()
    assert result.exit_code == 2
    assert "QWEN_OCR_PORT" in result.stderr
