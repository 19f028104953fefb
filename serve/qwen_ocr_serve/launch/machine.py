"""What launcher and `qwen-ocr doctor` look at: this machine, what is installed on it, servers."""

import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

GIB = 2**30
_HTTP_TIMEOUT = 10.0
_CONTROL_GROUP = Path("/sys/fs/cgroup")


def gpu_memories() -> list[float] | None:
    """The memory of each NVIDIA GPU in GiB; None without a driver."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return [int(line) / 1024 for line in done.stdout.split()]


def free_memory_gib() -> float:
    """Memory that a new process can use, of this machine or of this container, in GiB."""
    meminfo = Path("/proc/meminfo").read_text()
    match = re.search(r"MemAvailable:\s+(\d+) kB", meminfo)
    free = int(match.group(1)) * 1024 if match else 0
    try:
        limit, used = (
            (_CONTROL_GROUP / f"memory.{name}").read_text() for name in ("max", "current")
        )
        free = min(free, int(limit) - int(used))
    except (OSError, ValueError):
        pass  # no container, or no limit ("max")
    return free / GIB


def available_cores() -> int:
    """How many cores this process can use, of this machine or within its container's limit."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = (_CONTROL_GROUP / "cpu.max").read_text().split()
        cores = min(cores, int(quota) // int(period))
    except (OSError, ValueError):
        pass  # no container, or no limit ("max")
    return max(cores, 1)


def cache_directory() -> Path:
    """Where models are downloaded to, as huggingface_hub decides it."""
    home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("HF_HOME", f"{home}/huggingface")).expanduser()


def downloaded(model: str, directory: Path) -> bool:
    """Whether a model from Hugging Face lies in the cache."""
    snapshots = directory / "hub" / f"models--{model.replace('/', '--')}" / "snapshots"
    return any(snapshots.glob("*/config.json"))


def installed(name: str) -> bool:
    """Whether a distribution of this name is installed."""
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def pinned_version(name: str) -> str | None:
    """The version of a requirement `name==version` of this package."""
    for requirement in requires("qwen-ocr") or ():
        if match := re.match(rf"{re.escape(name)}==([^\s;,]+)", requirement):
            return match.group(1)
    return None


def _open(url: str, api_key: str | None) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_HTTP_TIMEOUT) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read()


def status(url: str, api_key: str | None) -> int | str:
    """The HTTP status that a GET is answered with, or why there is no answer."""
    try:
        return _open(url, api_key)[0]
    except (OSError, ValueError) as exc:
        return str(getattr(exc, "reason", exc))


def health(url: str, api_key: str | None) -> dict[str, object] | str:
    """What `/health` says, or why it does not."""
    try:
        status, body = _open(f"{url}/health", api_key)
        health = json.loads(body)
    except (OSError, ValueError) as exc:
        return str(getattr(exc, "reason", exc))
    if not isinstance(health, dict) or "model_loaded" not in health:
        return f"something else answers there ({status})"
    return health
