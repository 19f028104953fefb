"""Servers for as long as a `with` block lasts, ready at its beginning."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from qwen_ocr_serve.launch.local_server import START_TIMEOUT, LocalServer, free_port


@contextmanager
def own_server(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[LocalServer]:
    """A ready server with the bundled model, its log in a temporary folder."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalServer(Path(folder, "server.log"), arguments, env) as server,
    ):
        server.wait_until_ready()
        yield server


def wait_for(url: str) -> None:
    """Block until `/health` answers at this address; `TimeoutError` if it does not."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"{url} was not ready after {START_TIMEOUT:.0f} s")


@contextmanager
def replaced_server(tokens: int) -> Iterator[str]:
    """The address of the replaced design's server, whose answers have so many tokens."""
    port = free_port()
    script = Path(__file__).with_name("replaced.py")
    command = [sys.executable, str(script), str(port), str(tokens)]
    process = subprocess.Popen(command)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url)
        yield url
    finally:
        process.terminate()
        process.wait()
