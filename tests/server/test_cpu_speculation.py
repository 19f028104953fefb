"""What vLLM computes wrongly, or not at all, for requests that have guessed tokens."""

import pytest
import torch
from vllm.platforms import current_platform
from vllm.v1.sample.logits_processor import LogitsProcessors
from vllm.v1.sample.metadata import SamplingMetadata

if not current_platform.is_cpu():
    pytest.skip("vLLM is not built for CPUs", allow_module_level=True)

from qwen_ocr_serve.vllm_patches.cpu_speculation import (
    apply_sampling_constraints,
    expand_batch_to_tokens,
)

ENDS = torch.tensor([2, 2, 3], dtype=torch.int32)
"""Three requests with 2, 0 and 1 guessed tokens, added up."""


def metadata(temperature: float, top_k: int) -> SamplingMetadata:
    """Of three requests that draw at random from their `top_k` best tokens."""
    return SamplingMetadata(
        temperature=torch.tensor([temperature] * 3),
        all_greedy=False,
        all_random=True,
        top_p=None,
        top_k=torch.tensor([top_k] * 3, dtype=torch.int32),
        generators={},
        max_num_logprobs=None,
        no_penalties=True,
        prompt_token_ids=None,
        frequency_penalties=torch.zeros(3),
        presence_penalties=torch.zeros(3),
        repetition_penalties=torch.ones(3),
        output_token_ids=[[], [], []],
        allowed_token_ids_mask=None,
        bad_words_token_ids={},
        logitsprocs=LogitsProcessors(),
    )


def test_each_guessed_token_has_the_value_of_its_request() -> None:
    temperatures = torch.tensor([0.0, 0.7, 0.5])
    assert expand_batch_to_tokens(temperatures, ENDS, 3).tolist() == [0.0, 0.0, 0.5]
    assert expand_batch_to_tokens(temperatures, ENDS, 3, 0, 1).tolist() == [1.0, 1.0, 0.5]
    top_k = torch.tensor([5, 7, 9], dtype=torch.int32)
    assert expand_batch_to_tokens(top_k, ENDS, 3).tolist() == [5, 5, 9]


def test_temperature_and_top_k_apply_to_guessed_tokens() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0]] * 3)
    constrained = apply_sampling_constraints(logits.clone(), ENDS, metadata(0.5, 2))
    assert constrained.tolist() == [[-torch.inf, 4.0, 6.0]] * 3


def test_a_step_without_guessed_tokens_is_none_to_fail_at() -> None:
    none = torch.zeros(3, dtype=torch.int32)
    assert apply_sampling_constraints(torch.empty(0, 9), none, metadata(0.5, 2)).shape == (0, 9)
