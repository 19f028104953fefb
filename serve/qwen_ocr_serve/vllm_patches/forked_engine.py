"""The engine's process begins as a copy of the server's, with everything imported.

Replaces `Platform.check_and_update_config` of vLLM 0.32's CPU platform, which insists on a fresh
interpreter, because OpenMP's threads do not survive a fork. Here the server has none, and the copy
starts its own. The first answer of the bundled model is there after 12.1 s instead of 19.3 (0.62 ±
0.01 of the time, three pairs in one run of `tests/bench/start_time.py`, on two cores of an AMD EPYC
without AVX-512).
"""

import os
import signal
import socket
from pathlib import Path
from typing import Any

import torch
from vllm import ModelRegistry
from vllm.platforms import current_platform

from qwen_ocr_serve.vllm_patches import START_METHOD
from qwen_ocr_serve.vllm_patches.parent_process import end_with_parent


def apply(threads: int) -> None:
    """Let vLLM fork, and the copy compute in so many threads."""
    # The engine needs it, and importing it takes seconds. A model that is registered by its name is
    # imported in one more process, which finds out what it can do, unless vLLM has kept that from
    # an earlier start.
    from vllm.model_executor.models.qwen3_vl import Qwen3VLForConditionalGeneration

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
    os.register_at_fork(after_in_child=_close_sockets)
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(threads))


def _close_sockets() -> None:
    """Close copies of network sockets, and no longer wake the server's event loop at signals.

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
