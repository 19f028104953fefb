"""A small step of the engine is computed in one thread, a large one in several.

A second thread helps where there is much to compute. Where there is little, the two spend their
time waiting for each other. Two cores of an AMD EPYC without AVX-512, tokens/s of the bundled model
in float32 at 1, 16 and 64 requests at once (`tests/bench/precision.py`):

| | 1 | 16 | 64 |
|---|---|---|---|
| one thread | 340 | 938 | 1,070 |
| two threads, OpenMP's own way of waiting | 298 | 1,147 | 1,462 |
| two threads that wait briefly | 233 | 1,105 | 1,449 |

and with another process on one of the cores: one thread 280, 794 and 951, two threads that wait
briefly 164, 623 and 884.
"""

from typing import Any

import torch
from vllm.v1.worker.cpu_model_runner import CPUModelRunner

LARGE_STEP = 24
"""Tokens: of eight requests that are being answered, each with two that were guessed; or of a
prompt, which an image makes hundreds of tokens long."""


def share_large_steps(threads: int) -> None:
    """Let the engine compute steps from `LARGE_STEP` tokens on in so many threads, others in one.

    Replaces `CPUModelRunner.execute_model` of vLLM 0.32.
    """
    set_num_threads = torch.set_num_threads  # vLLM's worker replaces it by one that does nothing
    execute = CPUModelRunner.execute_model

    def execute_model(self: CPUModelRunner, scheduler_output: Any, *rest: Any, **more: Any) -> Any:
        large = scheduler_output.total_num_scheduled_tokens >= LARGE_STEP
        set_num_threads(threads if large else 1)
        return execute(self, scheduler_output, *rest, **more)

    CPUModelRunner.execute_model = execute_model  # type: ignore[method-assign,assignment]
