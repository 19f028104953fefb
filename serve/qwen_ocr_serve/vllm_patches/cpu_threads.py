"""A small step of the engine is computed in one thread, a large one in several.

Replaces `CPUModelRunner.execute_model` of vLLM 0.32. A second thread helps where there is much to
compute. Where there is little, the two spend their time waiting for each other. Tokens/s of the
bundled model with it and without it, two cores of an AMD EPYC without AVX-512, three rounds of
`tests/bench/patches.py`: for one request 195 and 156, 211 and 196, 167 and 133; with 64 at once
it changes nothing beyond the noise (699 and 654, 748 and 775).
"""

from typing import Any

import torch
from vllm.v1.worker.cpu_model_runner import CPUModelRunner

LARGE_STEP = 24
"""Tokens: of requests that are being answered, one each; or of a prompt, which an image makes
hundreds of tokens long."""


def apply(threads: int) -> None:
    """Compute steps of `LARGE_STEP` tokens or more in so many threads, and others in one."""
    set_num_threads = torch.set_num_threads  # vLLM's worker replaces it by one that does nothing
    execute = CPUModelRunner.execute_model

    def execute_model(self: CPUModelRunner, scheduler_output: Any, *rest: Any, **more: Any) -> Any:
        large = scheduler_output.total_num_scheduled_tokens >= LARGE_STEP
        set_num_threads(threads if large else 1)
        return execute(self, scheduler_output, *rest, **more)

    CPUModelRunner.execute_model = execute_model  # type: ignore[method-assign,assignment]
