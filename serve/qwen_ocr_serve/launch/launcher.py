"""Turns settings into vLLM's own command line and environment, and becomes that process.

There is no wrapper process: `exec` replaces this one, so signals, exit codes and standard output
are vLLM's own.
"""

import ipaddress
import json
import os
import shlex
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from qwen_ocr_serve.http.keys import KeysError, load_keys
from qwen_ocr_serve.images import CONNECTOR_NAME
from qwen_ocr_serve.launch import cpu
from qwen_ocr_serve.launch.installation import Installation, LaunchError
from qwen_ocr_serve.models.profiles import (
    NoPicturesError,
    UnknownProfileError,
    profile_of_settings,
)
from qwen_ocr_serve.models.serving import flags_of, serving_of
from qwen_ocr_serve.settings import BUNDLED_MODEL_NAME, MAX_PIECES, ServeSettings
from qwen_ocr_serve.vllm_patches import STARTUP_FOLDER

PLUGIN_NAME = "qwen_ocr"
# The `vllm` command looks for a distribution called vllm, which the CPU build is not.
SERVER_MODULE = "vllm.entrypoints.launchers.api_server.entry"
TERMINAL_MODULE = "qwen_ocr_serve.launch.terminal"
_OWN_FLAGS = {
    "--host": "use --host before the --, which makes sure that there is a key",
    "--port": "use --port before the --",
    "--uds": "the server listens on an address, see --host and --port",
    "--allowed-origins": "use --cors-origins before the --, which shows errors to web pages, too",
    "--api-key": "everybody on this machine could read it there; set QWEN_OCR_API_KEYS",
    # What only `vllm serve` heeds: here it would be accepted and do nothing.
    "--headless": "there is no engine without a server here; start one server on each machine",
    "--api-server-count": "there is one API server; use --replicas for more",
    "-asc": "there is one API server; use --replicas for more",
    "--grpc": "this server speaks HTTP",
}
# How long a connection stays open between two requests. With vLLM's 5 s, a client or a proxy that
# keeps it for longer may send into one that is just being closed; nginx and AWS's balancers keep
# theirs for 60 s.
_IDLE_SECONDS = "75"


@dataclass(frozen=True)
class Launch:
    """A command and the environment variables to add for it."""

    argv: list[str]
    env: dict[str, str]

    def __str__(self) -> str:
        """Shell-quoted, one part a line, ready to be pasted into a shell."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.env.items()]
        command = [shlex.quote(word) for word in self.argv]
        lines = [*words, " ".join(command[:3])]
        for word in command[3:]:
            if word.startswith("-"):
                lines.append(f"  {word}")
            else:
                lines[-1] += f" {word}"
        return " \\\n".join(lines)

    def logging_to(self, log: Path, url: str) -> "Launch":
        """The same server on a terminal, see `terminal`, with its log in this file."""
        argv = [*self.argv[:2], TERMINAL_MODULE, str(log), url, *self.argv[3:]]
        return Launch(argv, self.env)

    def execute(self) -> NoReturn:
        """Replace this process by the command."""
        os.execve(self.argv[0], self.argv, {**os.environ, **self.env})


def build_launch(
    settings: ServeSettings,
    installation: Installation,
    environ: Mapping[str, str],
    extra: Sequence[str] = (),
    *,
    terminal: bool = False,
) -> Launch:
    """The command line for these settings. Looks at nothing but its arguments, and at the
    `config.json` of a model that is a directory.

    `extra` are vLLM flags as the user wrote them; they come last, so they win. `terminal` says
    whether people read the log as it is written. Raises `LaunchError` for a flag in `extra` that
    would get around this server's own protection, and for a model that cannot be served.
    """
    for word in extra:
        flag = word.partition("=")[0].replace("_", "-")
        if flag in _OWN_FLAGS:
            raise LaunchError(f"{flag} cannot be given to vLLM: {_OWN_FLAGS[flag]}")
    local = settings.local_model
    name = settings.served_model_name or settings.model
    try:
        profile = profile_of_settings(settings)
    except (NoPicturesError, UnknownProfileError) as exc:
        raise LaunchError(str(exc)) from exc
    generation: dict[str, float] = {
        "temperature": profile.temperature if profile else 0.0,
        "repetition_penalty": 1.0,
    }
    max_answer = serving_of(profile.family if profile else None).max_answer
    if max_answer is not None:
        generation["max_new_tokens"] = max_answer
    flags = {
        "--model": str(local or settings.model),
        "--served-model-name": name,
        "--host": settings.host,
        "--port": str(settings.port),
        "--max-model-len": str(settings.max_model_len or "auto"),
        "--limit-mm-per-prompt": json.dumps({"image": settings.max_images, "video": 0}),
        # vLLM counts the pieces of pages as well, which are part of a request of ours.
        "--max-num-queued-reqs": str(settings.max_requests + MAX_PIECES),
        # vLLM's cache of prepared images and the engine's no longer agree when a request is refused
        # or given up after its image was prepared: the next request with that image is answered
        # with 500. Without it, new images are read as fast as with vLLM's 4 GiB (pages/s × 1.07 ±
        # 0.04), eight that come again and again nearly so (× 0.96 ± 0.05), in 440 MiB less after
        # 1,280 images (`tests/bench/image_cache.py`, two cores of an AMD EPYC without AVX-512).
        "--mm-processor-cache-gb": "0",
        "--shutdown-timeout": str(settings.shutdown_timeout),
        # For requests that do not say. Models suggest a temperature of 0.7 and penalties, which are
        # for writing: when a model reads, they make it invent text and ruin tables.
        "--override-generation-config": json.dumps(generation),
        # No line breaks and indentation in constrained answers: models can write those without end.
        "--structured-outputs-config": json.dumps(
            {"backend": "guidance", "disable_any_whitespace": True}
        ),
        "--middleware": "qwen_ocr_serve.http.middleware.Middleware",
        # The one flag that imports a module in the server's process just before the engine starts.
        "--tool-parser-plugin": "qwen_ocr_serve.vllm_patches.startup_signals",
    }
    if settings.web_origins:
        flags["--allowed-origins"] = json.dumps(sorted(settings.web_origins))
    flags |= flags_of(settings.model, local, settings.gpus, profile)
    flags["--logging-config.formatter"] = log_format(settings, terminal=terminal)
    if settings.kv_cache_gib is not None:
        flags["--kv-cache-memory-bytes"] = str(int(settings.kv_cache_gib * 2**30))
    if installation.cpu:
        flags |= cpu.flags(settings, installation)
    # Swagger's files from vLLM's own package: the documentation works without internet access.
    switches = ["--enable-offline-docs"] if settings.docs else ["--disable-fastapi-docs"]
    # The middleware writes a line for each request, with its id.
    switches.append("--disable-uvicorn-access-log")

    plugins = [plugin for plugin in environ.get("VLLM_PLUGINS", "").split(",") if plugin]
    env = {
        "VLLM_PLUGINS": ",".join(dict.fromkeys([*plugins, PLUGIN_NAME])),
        "VLLM_MEDIA_CONNECTOR": CONNECTOR_NAME,
        **settings.variables(),
    }
    if profile is not None and not settings.bundled:
        env["QWEN_OCR_PROFILE"] = profile.name  # so that it is found once
    if installation.cpu:
        env |= cpu.variables(settings, installation, environ)
    if local is not None:
        env["HF_HUB_OFFLINE"] = "1"
    defaults = {"VLLM_NO_USAGE_STATS": "1", "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": _IDLE_SECONDS}
    env |= {name: value for name, value in defaults.items() if name not in environ}
    if installation.cpu or installation.torchvision_differs:
        paths = [str(STARTUP_FOLDER), environ.get("PYTHONPATH", "")]
        env["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)

    arguments = [word for flag in flags.items() for word in flag if word]
    return Launch([sys.executable, "-m", SERVER_MODULE, *arguments, *switches, *extra], env)


def log_format(settings: ServeSettings, *, terminal: bool) -> str:
    """How the log is written: `text` or `json`. `terminal` says whether people read it."""
    if settings.log_format == "auto":
        return "text" if terminal else "json"
    return settings.log_format


def check(settings: ServeSettings) -> None:
    """Find in milliseconds what vLLM would report after seconds, with a traceback.

    Raises `LaunchError` if the model's directory, the keys or the port cannot be used, if the
    server would listen beyond this machine without a key, and if it had keys but would answer web
    pages of all origins.
    """
    local = settings.local_model
    if local is not None and not (local / "config.json").is_file():
        label = "the bundled model" if settings.bundled else "a model"
        raise LaunchError(
            f"{local} does not hold {label} (no config.json); "
            f"set --model to a directory, a Hugging Face id or '{BUNDLED_MODEL_NAME}'"
        )
    try:
        keys = load_keys(settings)
    except KeysError as exc:
        raise LaunchError(str(exc)) from exc
    if keys and "*" in settings.web_origins:
        raise LaunchError(
            "--cors-origins '*' together with keys would let any web page on the internet use a "
            "key that it got hold of, from the network of whoever opens it: name the origins of "
            "your web apps, such as https://app.example.com"
        )
    where = f"{settings.host}:{settings.port}"
    try:
        addresses = socket.getaddrinfo(
            settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = addresses[0]
        beyond = [a for *_, a in addresses if not ipaddress.ip_address(a[0]).is_loopback]
        if beyond and not (keys or settings.allow_anonymous):
            raise LaunchError(
                f"{where} can be reached from other machines, but there is no key: set "
                "QWEN_OCR_API_KEYS=name:secret or --api-keys-file, or say --allow-anonymous"
            )
        with socket.socket(family, kind, protocol) as probe:
            # As the server itself does: a port is free though old connections are not.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        raise LaunchError(f"cannot listen on {where}: {exc.strerror or exc}") from exc
