"""In how many threads the engine computes a step."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from vllm.platforms import current_platform

if not current_platform.is_cpu():
    pytest.skip("vLLM is not built for CPUs", allow_module_level=True)

from vllm.v1.worker.cpu_model_runner import CPUModelRunner

from qwen_ocr_serve.vllm_patches.cpu_threads import LARGE_STEP, apply


def test_a_small_step_is_computed_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    steps: list[tuple[int, int]] = []

    def execute_model(runner: Any, step: Any, *arguments: Any) -> str:
        steps.append((step.total_num_scheduled_tokens, threads[-1]))
        return f"done with {arguments}"

    monkeypatch.setattr(CPUModelRunner, "execute_model", execute_model)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    apply(2)
    # vLLM's worker does this when it has bound its threads.
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    runner: Any = SimpleNamespace()
    for tokens in (1000, 3, LARGE_STEP - 1, LARGE_STEP):
        step: Any = SimpleNamespace(total_num_scheduled_tokens=tokens)
        assert CPUModelRunner.execute_model(runner, step, None) == "done with (None,)"
    assert steps == [(1000, 2), (3, 1), (LARGE_STEP - 1, 1), (LARGE_STEP, 2)]
