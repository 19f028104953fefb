"""HAProxy in front of several servers: how it is started, and what it is asked and told.

vLLM's own router is not used: on routes that it does not know, such as /api/v1/ocr, it drops the
headers `Authorization` and `X-Request-Id`.
"""

import asyncio
import csv
import math
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qwen_ocr_serve.launch.installation import LaunchError
from qwen_ocr_serve.launch.launcher import Launch
from qwen_ocr_serve.settings import ServeSettings

CONFIG = Path(__file__).with_name("haproxy.cfg")
"""What HAProxy does, whatever servers there are. They are in a second file."""
SERVERS_FILE = "servers.cfg"
CONTROL_SOCKET = "control.sock"
# Where Debian has it, which is in the PATH of root alone.
_SYSTEM_PROGRAMS = "/usr/local/sbin:/usr/sbin"
_CLOSING = 5
"""Seconds more than the servers that HAProxy waits for the last answers."""


def launch(settings: ServeSettings, folder: Path, environ: Mapping[str, str]) -> Launch:
    """The command of a HAProxy that listens where the settings say; `folder` has its second file.

    Raises `LaunchError` if HAProxy is not installed.
    """
    program = shutil.which("haproxy", path=f"{environ.get('PATH', '')}:{_SYSTEM_PROGRAMS}")
    if program is None:
        raise LaunchError(
            "--replicas needs HAProxy 2.6 or later, which is not installed: run apt-get install "
            "haproxy, or what your system has in its place"
        )
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    env = {
        "BALANCER_BIND": f"{host}:{settings.port}",
        "BALANCER_TIMEOUT": f"{math.ceil(settings.request_timeout) + 20}s",
        "BALANCER_MODEL": settings.served_model_name or settings.model,
    }
    files = ["-f", str(CONFIG), "-f", str(folder / SERVERS_FILE)]
    # In the foreground, and not on a port that it would share with another HAProxy.
    return Launch([program, "-db", "-dR", *files], env)


def servers_file(settings: ServeSettings, folder: Path) -> str:
    """The second file: servers on the ports after the balancer's, and a socket for `Control`."""
    lines = [
        "global",
        f"    stats socket {folder / CONTROL_SOCKET} mode 600 level admin",
        f"    hard-stop-after {settings.shutdown_timeout + _CLOSING}s",
        "backend servers",
    ]
    for index in range(settings.replicas):
        lines.append(f"    server {server_name(index)} 127.0.0.1:{settings.port + 1 + index}")
    return "\n".join(lines)


def server_name(index: int) -> str:
    """What a server is called, in HAProxy and in the log."""
    return f"replica-{index}"


def check(command: Launch) -> None:
    """Let HAProxy read its files. Raises `LaunchError` with its first objection."""
    env = {**os.environ, **command.env}
    done = subprocess.run([*command.argv, "-c"], env=env, capture_output=True, text=True)
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "[ALERT]" in line), "no reason")
        raise LaunchError(f"HAProxy, of which 2.6 or later is needed, does not start: {said}")


@dataclass(frozen=True, slots=True)
class State:
    """A server as HAProxy sees it."""

    up: bool
    """Whether requests are sent there."""
    requests: int
    """How many it is working on."""


class Control:
    """Speaks to a running HAProxy; its methods raise `OSError` when there is none."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / CONTROL_SOCKET

    async def state(self, name: str) -> State:
        """How a server is."""
        rows = csv.DictReader((await self._ask("show stat")).removeprefix("# ").splitlines())
        row = next(row for row in rows if row["svname"] == name)
        # Other states are DOWN, DRAIN, MAINT, and the ways from one to another.
        return State(row["status"] == "UP", int(row["scur"]))

    async def retire(self, name: str) -> None:
        """Send a server no more requests; it keeps those that it has."""
        await self._ask(f"set server servers/{name} state drain")

    async def lost(self, name: str) -> None:
        """Send a server no requests until its health check says that there is one again."""
        server = f"set server servers/{name}"
        await self._ask(f"{server} health down; {server} state ready")

    async def _ask(self, command: str) -> str:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        try:
            writer.write(f"{command}\n".encode())
            answer = (await reader.read()).decode()
        finally:
            writer.close()
        if not answer.endswith("\n"):
            raise ConnectionResetError("HAProxy ended in the middle of its answer")
        return answer
