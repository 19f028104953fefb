"""What vLLM calls once in each of its processes, when nearly everything is imported."""

import ctypes
import gc
import multiprocessing
import os
import signal
import socket
from pathlib import Path
from typing import Any

import torch
from vllm import ModelRegistry
from vllm.config import get_current_vllm_config
from vllm.platforms import current_platform

from qwen_ocr_serve.cpu import ENGINE_THREADS, START_METHOD

_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def prepare() -> None:
    """The entry point in `vllm.general_plugins`.

    Takes all objects that exist out of garbage collection. Loading a model then collects garbage
    several times, a third of a second each through all these objects. vLLM itself does the same, at
    the end of its start.
    """
    if current_platform.is_cpu():
        # Importing them is all they need.
        import qwen_ocr_serve.cpu_kernels
        import qwen_ocr_serve.cpu_speculation  # noqa: F401

        if threads := os.environ.get(ENGINE_THREADS):
            spare_what_only_gpus_need()
            _fork_the_engine(int(threads))
    if multiprocessing.parent_process() is not None:
        end_with_parent()
    gc.freeze()


def end_with_parent() -> None:
    """Let the kernel end this process when its parent has ended, however that came.

    vLLM's engine watches its parent only through Python, and outlives one that was killed, with all
    its memory. See prctl(2), PR_SET_PDEATHSIG.
    """
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)  # it ended before the kernel was told


def spare_what_only_gpus_need() -> None:
    """Send from the engine's own thread, and call attention as the function that it is.

    As an operator of PyTorch, which costs about as much as what it does for one token of a small
    model, attention is something that compilers can leave alone. An eager model has no use for it.
    """
    from vllm.v1.engine.core import EngineCoreProc

    from qwen_ocr_serve.engine_output import process_output_sockets

    def opaque_attention_op() -> bool:
        return not get_current_vllm_config().model_config.enforce_eager

    platform = type(current_platform)
    platform.opaque_attention_op = staticmethod(opaque_attention_op)  # type: ignore[method-assign]
    EngineCoreProc.process_output_sockets = process_output_sockets


def _fork_the_engine(threads: int) -> None:
    """Let the engine's process begin as a copy of this one, with everything imported.

    vLLM's configuration insists on a fresh interpreter on CPUs, because OpenMP's threads do not
    survive a fork. Here this process has none, and the copy starts its own.
    """
    # Takes seconds, and the engine needs them. What is registered as a name is imported in yet
    # another process, to find out what it can do, unless vLLM remembers that from an earlier start.
    from vllm.model_executor.models.medusa import Medusa
    from vllm.model_executor.models.qwen3_vl import Qwen3VLForConditionalGeneration

    ModelRegistry.register_model("MedusaModel", Medusa)
    ModelRegistry.register_model(
        Qwen3VLForConditionalGeneration.__name__, Qwen3VLForConditionalGeneration
    )
    platform = type(current_platform)
    check = platform.check_and_update_config

    def check_and_keep(vllm_config: Any) -> None:
        check(vllm_config)
        os.environ[START_METHOD] = "fork"

    platform.check_and_update_config = staticmethod(check_and_keep)  # type: ignore[method-assign]
    os.register_at_fork(after_in_child=end_with_parent)
    os.register_at_fork(after_in_child=_leave_what_is_the_servers)
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(threads))
    if threads > 1:
        from qwen_ocr_serve.cpu_threads import share_large_steps

        share_large_steps(threads)


def _leave_what_is_the_servers() -> None:
    """Close copies of network sockets, and stop to wake the server's event loop at signals.

    The server has bound its port, which has to be free as soon as it has ended, whatever the engine
    still does.
    """
    signal.set_wakeup_fd(-1)
    for path in list(Path("/dev/fd").iterdir()):
        try:
            copy = socket.socket(fileno=int(path.name))
        except OSError:  # no socket
            continue
        if copy.family in (socket.AF_INET, socket.AF_INET6):
            copy.close()
        else:
            copy.detach()
