"""`qwen-ocr serve` on a terminal, as people see it."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from qwen_ocr_serve.launch.local_server import STOP_TIMEOUT, free_port

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache with the measurement of this processor, and without logs."""
    home = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "qwen-ocr"
    cache = tmp_path / "cache" / "qwen-ocr"
    cache.mkdir(parents=True)
    for file in home.glob("processor-*.json"):
        (cache / file.name).write_bytes(file.read_bytes())
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    monkeypatch.chdir(tmp_path)


class Terminal:
    """A process on a terminal of its own, of which it is the foreground."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self.text = ""

    def press_ctrl_c(self) -> None:
        """The terminal, not this process, sends the signal: to all in the foreground."""
        os.write(self._master, b"\x03")

    def read_until(self, words: str, seconds: float) -> str:
        """All that was printed so far, when it holds the words or the process has ended."""
        deadline = time.monotonic() + seconds
        while words not in self.text and time.monotonic() < deadline:
            if not select.select([self._master], [], [], 0.2)[0]:
                continue
            try:
                self.text += os.read(self._master, 4096).decode(errors="replace")
            except OSError:  # nobody has the terminal open any more
                break
        return self.text

    def ended(self) -> int:
        """The exit code, once all output has been read."""
        self.read_until("\0", STOP_TIMEOUT)
        return self.process.wait(STOP_TIMEOUT)


@contextmanager
def serving(*arguments: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    # The session's first terminal becomes the one that Ctrl-C comes from.
    process = subprocess.Popen(
        [sys.executable, "-m", "qwen_ocr_serve.cli", "serve", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # no threads
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)


def log_of(port: int) -> str:
    cache = Path(os.environ["XDG_CACHE_HOME"])
    return (cache / "qwen-ocr" / f"serve-{port}.log").read_text()


def test_a_few_lines_end_with_the_address_and_ctrl_c_ends_all() -> None:
    port = free_port()
    with serving("--port", str(port)) as terminal:
        shown = terminal.read_until("Ready", 180)
        shown = terminal.read_until("\n", 1) if shown.endswith("Ready") else shown
        lines = shown.splitlines()
        assert len(lines) == 5, shown
        assert "serves mini, computing in " in lines[0]
        assert str(port) in lines[2]
        assert lines[4] == f"Ready: open http://localhost:{port}"
        address = lines[4].split()[-1]
        assert httpx2.get(f"{address}/health").json()["status"] == "healthy"
        assert "Initializing a V1 LLM engine" in log_of(port)
        terminal.press_ctrl_c()
        assert terminal.ended() == 0
        assert terminal.text.replace("^C", "").strip().endswith(lines[4])


def test_ctrl_c_while_starting_is_silent() -> None:
    with serving("--port", str(free_port())) as terminal:
        terminal.read_until("Starting", 60)
        terminal.press_ctrl_c()
        # At once by the signal, or by what catches it once the engine is being started.
        assert terminal.ended() in (-signal.SIGINT, 128 + signal.SIGINT)
        assert len(terminal.text.splitlines()) <= 5, terminal.text
        assert "Traceback" not in terminal.text


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--", "--sed", "1"], "unrecognized arguments: --sed"),
        (["--kv-cache-gib", "0.0001"], "ValueError: "),  # less than one block of any precision
    ],
)
def test_why_a_server_cannot_start_reaches_the_terminal(flags: list[str], reason: str) -> None:
    port = free_port()
    with serving("--port", str(port), *flags) as terminal:
        assert terminal.ended() not in (0, None)
        *lines, error, where = terminal.text.splitlines()
        assert len(lines) == 4, terminal.text
        assert error.startswith("error: the server could not start: ")
        assert reason in error
        assert f"serve-{port}.log" in where


def test_with_verbose_the_log_is_on_the_terminal() -> None:
    with serving("--port", str(free_port()), "--verbose") as terminal:
        assert "EngineCore" in terminal.read_until("EngineCore", 180)
        terminal.press_ctrl_c()
        assert terminal.ended() == 128 + signal.SIGINT
