"""Compiled kernels for a model that runs eagerly on a CPU.

vLLM's build for CPUs has C++ kernels for normalization and rotary embedding, but lists them as
kernels for GPUs, and computes each of the two with a dozen PyTorch operators. Importing this module
registers the kernels in place of vLLM 0.32's `RMSNorm` and `MRotaryEmbedding`, in the way that vLLM
has for implementations of others (`register_oot`). Compiled models do not use them: the compiler
makes its own out of the operators.

They bring 1.17 times as many tokens/s to a single request of the bundled model and 1.08 times as
many to 64 at once (`tests/bench/patches.py`: 211 and 180, 748 and 692; two cores of an AMD EPYC
without AVX-512, best of two rounds).
"""

from typing import Any

import torch
from torch import Tensor
from vllm import _custom_ops as kernels
from vllm.forward_context import ForwardContext, get_forward_context, is_forward_context_available
from vllm.model_executor.layers.layernorm import RMSNorm
from vllm.model_executor.layers.rotary_embedding.mrope import (
    MRotaryEmbedding,
    apply_interleaved_rope,
)


@RMSNorm.register_oot
class CompiledRMSNorm(RMSNorm):
    """Root-mean-square normalization of the last dimension, weighted."""

    def forward_cpu(
        self, x: Tensor, residual: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """`x` normalized; or of the sum of both, the normalized one in `x`, and itself in
        `residual`."""
        plain = self.has_weight and self.variance_size_override is None
        if not plain or self.weight.dtype != x.dtype:
            normalized: Tensor | tuple[Tensor, Tensor] = self.forward_native(x, residual)
            return normalized
        if residual is None:
            x = x.contiguous()  # the kernel takes it for granted
            normalized = torch.empty_like(x)
            kernels.rms_norm(normalized, x, self.weight, self.variance_epsilon)
            return normalized
        kernels.fused_add_rms_norm(x, residual, self.weight, self.variance_epsilon)
        return x, residual


@MRotaryEmbedding.register_oot
class CompiledMRotaryEmbedding(MRotaryEmbedding):
    """Qwen-VL's rotary embedding, in which each column has the position on one of three axes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        half = self.rotary_dim // 2
        section = self.mrope_section or [half, 0, 0]
        axis = torch.arange(3).repeat_interleave(torch.tensor(section))
        if self.mrope_interleaved:
            axis = apply_interleaved_rope(torch.arange(3)[:, None].expand(3, half), section)
        self._axes = torch.cat((axis, axis))  # of the columns of cosines, and of sines
        self._step: ForwardContext | None = None
        self._rows_of_step: tuple[Tensor, Tensor]

    def forward_cpu(
        self,
        positions: Tensor,
        query: Tensor,
        key: Tensor | None = None,
        offsets: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Rotate query and key, (tokens, heads × size), by positions (tokens) or (3, tokens).

        Contiguous ones are rotated in place, as vLLM does on GPUs.
        """
        angles = self._match_cos_sin_cache_dtype(query)
        if positions.ndim == 2:
            angles, positions = self._rows(angles, positions)
        query = query.contiguous()
        key = None if key is None else key.contiguous()
        kernels.rotary_embedding(positions, query, key, self.head_size, angles, self.is_neox_style)
        return query, key

    def _rows(self, angles: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """A table with a row for each token, instead of one for each position; and the rows.

        Every layer of the model asks for the same ones in a step.
        """
        step = get_forward_context() if is_forward_context_available() else None
        if step is None or step is not self._step:
            table = angles.gather(0, positions[self._axes].T)
            self._step, self._rows_of_step = step, (table, torch.arange(len(table)))
        return self._rows_of_step
