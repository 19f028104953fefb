"""How a server starts, refuses to start and ends. Each start takes a while, so few do."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil

from qwen_ocr_serve.http.watchdog import EXIT_CODE
from qwen_ocr_serve.launch.local_server import LocalServer, free_port


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


def test_a_killed_engine_fails_everybody_at_once_and_ends_the_server(tmp_path: Path) -> None:
    request = {
        "messages": [{"role": "user", "content": "Go on."}],
        "max_tokens": 4000,
        "ignore_eos": True,
    }
    with LocalServer(tmp_path / "log") as running, ThreadPoolExecutor(6) as pool:
        running.wait_until_ready()
        url = f"{running.base_url}/v1/chat/completions"
        whole = [pool.submit(httpx2.post, url, json=request, timeout=120) for _ in range(3)]
        streams = [
            pool.submit(httpx2.post, url, json={**request, "stream": True}, timeout=120)
            for _ in range(3)
        ]
        while httpx2.get(f"{running.base_url}/health").json()["concurrent_requests"] < 6:
            assert not any(answer.done() for answer in whole + streams)
        os.kill(engine_of(running), signal.SIGKILL)
        killed = time.monotonic()
        for answer in whole:
            response = answer.result()
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "engine_dead"
            assert "retry-after" in response.headers
        for answer in streams:
            assert "engine_dead" in answer.result().text
        assert time.monotonic() - killed < 15
        assert running.process.wait(30) != 0, running.log_tail()
        assert time.monotonic() - killed < 30


def test_a_dead_engine_is_unhealthy_and_ends_an_idle_server(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "log", env={"OMP_NUM_THREADS": "2"}) as running:
        running.wait_until_ready()
        engine = psutil.Process(engine_of(running))
        ports = {connection.laddr.port for connection in engine.net_connections("tcp")}
        assert urlsplit(running.base_url).port not in ports, "the port is the server's alone"
        shared = sum(part.shared_dirty for part in engine.memory_maps())
        assert shared > 100 * 2**20, "the engine began as a copy of the server, imports included"
        request = {"messages": [{"role": "user", "content": "Go on."}], "max_tokens": 400}
        request |= {"ignore_eos": True, "n": 16, "temperature": 0.5}
        url = f"{running.base_url}/v1/chat/completions"
        with ThreadPoolExecutor() as pool:  # steps worth two threads
            for answer in pool.map(lambda _: httpx2.post(url, json=request, timeout=60), range(3)):
                answer.raise_for_status()
        busy = [thread for thread in engine.threads() if thread.user_time > 0.1]
        assert len(busy) == 2, "it computes in as many threads as it was told"
        engine.kill()
        killed = time.monotonic()
        answers = set()
        while running.process.poll() is None:
            assert time.monotonic() - killed < 30, running.log_tail()
            with contextlib.suppress(httpx2.NetworkError, httpx2.RemoteProtocolError):
                answers.add(httpx2.get(f"{running.base_url}/health").status_code)
        assert 503 in answers
        assert running.process.returncode == 1, running.log_tail()


GRACE = 2.0
"""Seconds, in the place of `watchdog.GRACE`."""
HANGING = f"""
import time
from qwen_ocr_serve.http import watchdog

watchdog.GRACE = {GRACE}

class Hang:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"] == "/hang":
            time.sleep(1000)
        await self.app(scope, receive, send)
"""
"""A middleware that stops the event loop, as a request would that nothing bounded."""


def test_a_server_that_hangs_ends_at_sigterm(tmp_path: Path) -> None:
    (tmp_path / "hanging.py").write_text(HANGING)
    arguments = ["--shutdown-timeout", "1", "--", "--middleware", "hanging.Hang"]
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    with LocalServer(tmp_path / "log", arguments, env) as running:
        running.wait_until_ready()
        with contextlib.suppress(httpx2.TimeoutException):
            httpx2.get(f"{running.base_url}/hang", timeout=1)
        told = time.monotonic()
        running.process.terminate()
        assert running.process.wait(60) == EXIT_CODE
        assert time.monotonic() - told < 1 + GRACE + 5
        # The log says where it hung, and the engine does not stay behind.
        assert "in __call__" in running.log.read_text()
        assert running.wait_until_gone() == EXIT_CODE


def engine_of(server: LocalServer) -> int:
    """The engine's process id; the server's own children are not all engines."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            ours = os.getpgid(int(process.name)) == server.process.pid
            if ours and b"EngineCore" in (process / "cmdline").read_bytes():
                return int(process.name)
    raise AssertionError("no engine")
