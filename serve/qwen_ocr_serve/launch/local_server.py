"""A server for as long as a `with` block lasts: for the demo, tests and benchmarks."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_TIMEOUT = 180.0
"""Seconds until a start counts as failed. A small model takes 30 to 60 on two cores."""
STOP_TIMEOUT = 45.0
"""Seconds until a server that was told to end is killed: its own default of 30, and some more."""
_POLL_INTERVAL = 0.2


class LocalServerError(Exception):
    """The server ended or did not get ready; the message holds the end of its log."""


def free_port() -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LocalServer:
    """`qwen-ocr serve` on a loopback port, a free one unless given, with its output in a file.

    Entering the block starts the process and does not wait, see `wait_until_ready`.
    Leaving it stops the process and all its descendants, whatever happened inside.

    The server gets a session of its own, so that Ctrl-C in a terminal reaches only this process,
    which then stops the server once, and so that its process group is exactly its descendants.
    It runs in the directory of its log, because the current one may have a `.env` with the settings
    of another server. So a model in `serve_args` needs an absolute path.
    """

    def __init__(
        self,
        log: Path,
        serve_args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.log = log
        self.port = port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._argv = [sys.executable, "-m", "qwen_ocr_serve.cli", "serve"]
        self._argv += ["--host", "127.0.0.1", "--port", str(self.port)]
        # For the people who read the end of the log in an error.
        self._argv += ["--log-format", "text", *serve_args]
        self._env = {**os.environ, **(env or {})}
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                self._argv,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def wait_until_ready(
        self,
        timeout: float = START_TIMEOUT,
        on_wait: Callable[[float], None] = lambda seconds: None,
    ) -> float:
        """Block until `/health` answers 200; return the seconds that took.

        `on_wait` is called several times a second with the seconds so far.
        Raises `LocalServerError` if the process ends or the timeout (seconds) passes.
        """
        started = time.monotonic()
        while (waited := time.monotonic() - started) < timeout:
            if self.process.poll() is not None:
                raise LocalServerError(f"exit code {self.process.returncode}:\n{self.log_tail()}")
            try:
                with urllib.request.urlopen(f"{self.base_url}/health", timeout=5):
                    return waited
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                on_wait(waited)
                time.sleep(_POLL_INTERVAL)
        raise LocalServerError(
            f"the server was not ready after {timeout:.0f} s:\n{self.log_tail()}"
        )

    def log_tail(self, lines: int = 30) -> str:
        """The last lines of the server's output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> int:
        """Ask the server to end, and wait until it has; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait_until_gone()

    def wait_until_gone(self) -> int:
        """Block until no process of the server exists; return its exit code.

        Raises `LocalServerError` if some had to be killed, as they are when this is interrupted.
        """
        deadline = time.monotonic() + STOP_TIMEOUT
        try:
            while self.alive() and time.monotonic() < deadline:
                time.sleep(_POLL_INTERVAL)
        finally:
            if self.alive():
                os.killpg(self.process.pid, signal.SIGKILL)
                raise LocalServerError(f"had to be killed:\n{self.log_tail()}")
        return self.process.wait()

    def alive(self) -> bool:
        """Whether any process of the server, the engine and its workers included, still exists."""
        self.process.poll()  # a process that ended exists until somebody asks for its exit code
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True
