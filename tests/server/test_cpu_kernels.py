"""The kernels for CPUs compute what vLLM's own operators compute."""

import os
from collections.abc import Iterator
from unittest.mock import patch

import pytest
import torch
from vllm.config import VllmConfig, get_current_vllm_config, set_current_vllm_config
from vllm.forward_context import set_forward_context
from vllm.model_executor.layers.layernorm import RMSNorm
from vllm.model_executor.layers.rotary_embedding.mrope import MRotaryEmbedding
from vllm.platforms import current_platform
from vllm.utils.torch_utils import set_default_torch_dtype

if not current_platform.is_cpu():
    pytest.skip("vLLM is not built for CPUs", allow_module_level=True)

from qwen_ocr_serve.vllm_patches.cpu_kernels import CompiledMRotaryEmbedding, CompiledRMSNorm

TOKENS, HEADS, SIZE = 33, 3, 64


@pytest.fixture(autouse=True, params=[torch.bfloat16, torch.float32], ids=str)
def _config(request: pytest.FixtureRequest) -> Iterator[None]:
    torch.manual_seed(0)
    # vLLM's configuration writes into the environment, which servers of other tests would inherit.
    with (
        patch.dict(os.environ),
        set_current_vllm_config(VllmConfig()),
        set_default_torch_dtype(request.param),
    ):
        yield


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape)


def norm(*, has_weight: bool = True) -> RMSNorm:
    """With random weights."""
    norm = RMSNorm(SIZE, has_weight=has_weight)
    assert isinstance(norm, CompiledRMSNorm)
    norm.weight.data = random(SIZE)
    return norm


def test_normalization() -> None:
    heads = random(TOKENS, 3 * HEADS * SIZE)[:, HEADS * SIZE : 2 * HEADS * SIZE]
    heads = heads.unflatten(1, (HEADS, SIZE))
    assert not heads.is_contiguous()
    ours = norm()
    for x in (heads, heads[0], random(1, SIZE)):
        before = x.clone()
        torch.testing.assert_close(ours.forward_cpu(x), ours.forward_native(x))
        assert torch.equal(x, before)


def test_normalization_of_a_sum() -> None:
    ours, x, residual = norm(), random(TOKENS, SIZE), random(TOKENS, SIZE)
    expected = ours.forward_native(x.clone(), residual.clone())
    torch.testing.assert_close(ours.forward_cpu(x, residual), expected)


def test_without_weights_the_operators_go_on() -> None:
    x, ours = random(2, SIZE), norm(has_weight=False)
    torch.testing.assert_close(ours.forward_cpu(x), ours.forward_native(x))


@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("axes", [1, 3])
def test_rotary_embedding(interleaved: bool, axes: int) -> None:
    embedding = MRotaryEmbedding(
        SIZE, SIZE, 512, 10000, True, torch.get_default_dtype(), [12, 10, 10], interleaved
    )
    assert isinstance(embedding, CompiledMRotaryEmbedding)
    positions = torch.randint(0, 512, (3, TOKENS) if axes == 3 else (TOKENS,))
    query, key = random(TOKENS, HEADS * SIZE), random(TOKENS, SIZE)
    expected = embedding.forward_native(positions, query, key)
    both = embedding.forward_cpu(positions, query.clone(), key.clone())
    # The kernel rounds once where the operators round three times.
    torch.testing.assert_close(both, expected, rtol=0.016, atol=0.02)


def test_each_step_has_its_own_positions() -> None:
    embedding = MRotaryEmbedding(
        SIZE, SIZE, 512, 10000, True, torch.get_default_dtype(), [12, 10, 10], True
    )
    query, key = random(TOKENS, HEADS * SIZE), random(TOKENS, SIZE)
    for _ in range(3):
        positions = torch.randint(0, 512, (3, TOKENS))
        expected = embedding.forward_native(positions, query, key)
        with set_forward_context(None, get_current_vllm_config()):
            for _ in range(2):  # layers
                both = embedding.forward_cpu(positions, query.clone(), key.clone())
                torch.testing.assert_close(both, expected, rtol=0.016, atol=0.02)
