"""The kernels for CPUs compute what vLLM's own operators compute."""

import os
from collections.abc import Iterator
from unittest.mock import patch

import pytest
import torch
from vllm import ir
from vllm.config import VllmConfig, get_current_vllm_config, set_current_vllm_config
from vllm.forward_context import set_forward_context
from vllm.model_executor.layers.rotary_embedding.mrope import MRotaryEmbedding
from vllm.platforms import current_platform
from vllm.utils.torch_utils import set_default_torch_dtype

from qwen_ocr_serve.cpu import KERNEL_PROVIDER

if not current_platform.is_cpu():
    pytest.skip("vLLM is not built for CPUs", allow_module_level=True)

from qwen_ocr_serve.cpu_kernels import CompiledMRotaryEmbedding

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


def test_normalization() -> None:
    op, weight = ir.ops.rms_norm, random(SIZE)
    heads = random(TOKENS, 3 * HEADS * SIZE)[:, HEADS * SIZE : 2 * HEADS * SIZE]
    heads = heads.unflatten(1, (HEADS, SIZE))
    assert not heads.is_contiguous()
    for x in (heads, heads[0], random(1, SIZE)):
        with op.set_priority([KERNEL_PROVIDER]):
            found = op(x, weight, 1e-6)
        torch.testing.assert_close(found, op.impls["native"].impl_fn(x, weight, 1e-6))


def test_normalization_of_a_sum() -> None:
    op, weight = ir.ops.fused_add_rms_norm, random(SIZE)
    x, residual = random(TOKENS, SIZE), random(TOKENS, SIZE)
    expected = op.impls["native"].impl_fn(x, residual, weight, 1e-6)
    with op.set_priority([KERNEL_PROVIDER]):
        torch.testing.assert_close(op.maybe_inplace(x, residual, weight, 1e-6), expected)


def test_without_weights_the_operators_go_on() -> None:
    with ir.ops.rms_norm.set_priority([KERNEL_PROVIDER, "native"]):
        assert ir.ops.rms_norm(random(2, SIZE), None, 1e-6).shape == (2, SIZE)


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
