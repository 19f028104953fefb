"""How a server starts, refuses to start and ends. Each start takes half a minute, so few do."""

import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from qwen_ocr_serve.local_server import LocalServer, free_port


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qwen_ocr_serve.cli", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    for word in words:
        assert word in line


def test_a_port_in_use_is_refused_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert_refused(serve("--port", port), f"127.0.0.1:{port}", "in use")


def test_a_missing_model_is_refused_at_once(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert_refused(serve("--model", missing, "--port", str(free_port())), missing)


def test_sigterm_while_starting_leaves_nothing_behind(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "log") as starting:
        deadline = time.monotonic() + 120
        # From then on there is an engine process besides the one that gets the signal.
        while "EngineCore" not in starting.log_tail():
            assert time.monotonic() < deadline, starting.log_tail()
            assert starting.alive(), starting.log_tail()
            time.sleep(0.2)
        assert starting.stop() == 128 + signal.SIGTERM


def test_sigterm_lets_running_requests_finish(tmp_path: Path) -> None:
    request = {
        "messages": [{"role": "user", "content": "Go on."}],
        "max_tokens": 200,
        "ignore_eos": True,
    }
    with LocalServer(tmp_path / "log") as running, ThreadPoolExecutor() as pool:
        running.wait_until_ready()
        url = f"{running.base_url}/v1/chat/completions"
        answer = pool.submit(httpx2.post, url, json=request, timeout=60)
        while not httpx2.get(f"{running.base_url}/health").json()["concurrent_requests"]:
            assert not answer.done(), answer.result().text
        assert running.stop() == 0, running.log_tail()
        assert answer.result().status_code == 200
        assert answer.result().json()["usage"]["completion_tokens"] == 200
