"""`qwen-ocr serve --replicas`: several servers on one machine, behind HAProxy."""

import asyncio
import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from qwen_ocr_serve.launch import launcher, machine
from qwen_ocr_serve.launch.installation import Installation, LaunchError
from qwen_ocr_serve.launch.launcher import Launch
from qwen_ocr_serve.launch.own_log import log_as
from qwen_ocr_serve.replicas import balancer
from qwen_ocr_serve.replicas.supervisor import Supervisor
from qwen_ocr_serve.settings import ENV_PREFIX, ServeSettings

log = logging.getLogger("qwen_ocr")
UPLOAD_DIR = ENV_PREFIX + "UPLOAD_DIR"


@dataclass(frozen=True)
class Fleet:
    """What to run."""

    settings: ServeSettings
    servers: tuple[Launch, ...]
    gpus: int
    """GPUs that there have to be; 0 if the user has named them, or none is needed."""
    log_format: str
    environ: Mapping[str, str]
    computing: str = ""
    """What computes, and why, for the log."""

    def balancer(self, folder: Path) -> Launch:
        """HAProxy's command, with its second file in this folder."""
        return balancer.launch(self.settings, folder, self.environ)

    def __str__(self) -> str:
        """The commands, ready to be pasted into shells, and HAProxy's second file."""
        folder = Path("FOLDER")  # a new one at each start
        servers_file = balancer.servers_file(self.settings, folder)
        commands = [str(server) for server in (*self.servers, self.balancer(folder))]
        return "\n\n".join([*commands, f"# {folder / balancer.SERVERS_FILE}:\n{servers_file}"])

    def execute(self) -> NoReturn:
        """Run everything until a signal, and exit: with 0 if all ended as they were told, else 1.

        Raises `LaunchError` for what can be found wrong before anything is started.
        """
        self._check()
        with tempfile.TemporaryDirectory(prefix="qwen-ocr-") as name:
            folder = Path(name)
            servers_file = balancer.servers_file(self.settings, folder)
            (folder / balancer.SERVERS_FILE).write_text(f"{servers_file}\n")
            command = self.balancer(folder)
            balancer.check(command)
            log_as(self.log_format)
            if self.computing:
                log.info("%s", self.computing)
            for server in self.servers:  # an upload to one of them is there for all
                server.env.setdefault(UPLOAD_DIR, str(folder / "uploads"))
            drain = self.settings.shutdown_timeout
            supervisor = Supervisor(self.servers, command, balancer.Control(folder), drain)
            code = asyncio.run(supervisor.run())
        sys.exit(code)

    def _check(self) -> None:
        for own in _settings_of_servers(self.settings):
            try:
                launcher.check(own)
            except LaunchError as exc:
                raise LaunchError(f"{exc}; the servers are on the ports after --port") from exc
        if self.gpus and (found := machine.gpu_memories()):
            _enough(self.gpus, len(found))


def build_fleet(
    settings: ServeSettings,
    installation: Installation,
    environ: Mapping[str, str],
    extra: Sequence[str] = (),
    *,
    terminal: bool = False,
) -> Fleet:
    """The commands for these settings, as `launcher.build_launch` makes the one of a single server.

    Each server is on a port of its own, on this machine only, and on GPUs of its own.
    """
    for word in extra:
        if word.startswith("--ssl"):
            flag = word.partition("=")[0]
            raise LaunchError(
                f"{flag} cannot be given with --replicas: put TLS into a proxy before it"
            )
    servers = tuple(
        launcher.build_launch(own, installation, environ, extra, terminal=terminal)
        for own in _settings_of_servers(settings)
    )
    gpus = 0
    if not installation.cpu:
        needed = settings.replicas * settings.gpus
        named = environ.get("CUDA_VISIBLE_DEVICES")
        names = named.split(",") if named else [str(number) for number in range(needed)]
        _enough(needed, len(names))
        for server in servers:
            server.env["CUDA_VISIBLE_DEVICES"] = ",".join(names[: settings.gpus])
            del names[: settings.gpus]
        gpus = 0 if named else needed
    log_format = launcher.log_format(settings, terminal=terminal)
    return Fleet(settings, servers, gpus, log_format, environ)


def _settings_of_servers(settings: ServeSettings) -> list[ServeSettings]:
    last = settings.port + settings.replicas
    if last > 65535:
        raise LaunchError(f"the servers would be on ports up to {last}: choose a lower --port")
    return [
        settings.model_copy(update={"host": "127.0.0.1", "port": port})
        for port in range(settings.port + 1, last + 1)
    ]


def _enough(needed: int, found: int) -> None:
    if found < needed:
        raise LaunchError(
            f"the replicas need {needed} GPUs and there are {found}: lower --replicas or --gpus"
        )
