"""Muon for several processes, in float32.

PyTorch's own multiplies in bfloat16, which many processors do slowly, and does the same work in
each process. Here each process makes the steps of its share of the matrices and gets the others'.
The method is Keller Jordan's, https://kellerjordan.github.io/posts/muon/, its step scaled to the
size of AdamW's (https://arxiv.org/abs/2502.16982).
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

MOMENTUM = 0.95
DECAY = 0.02
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial that is applied to the singular values; as published."""
ITERATIONS = 5


def orthogonalised(matrices: Tensor) -> Tensor:
    """(n, rows, columns) matrices with their singular values brought near 1."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    """Takes matrices only; their gradients are the same in all processes."""

    def __init__(self, matrices: list[nn.Parameter], lr: float) -> None:
        super().__init__(matrices, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step; every process makes it at the same time."""
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            steps = self._steps(matrices)
            for matrix, update in zip(matrices, steps, strict=True):
                size = 0.2 * max(matrix.shape) ** 0.5
                matrix.mul_(1 - group["lr"] * DECAY)
                matrix.add_(update, alpha=-group["lr"] * size)

    def _steps(self, matrices: list[Tensor]) -> list[Tensor]:
        updates = []
        for matrix in matrices:
            assert matrix.grad is not None
            state = self.state[matrix]
            if not state:
                state["momentum"] = torch.zeros_like(matrix)
            state["momentum"].lerp_(matrix.grad, 1 - MOMENTUM)
            updates.append(matrix.grad.lerp(state["momentum"], MOMENTUM))  # Nesterov's
        rank, count = dist.get_rank(), dist.get_world_size()
        flat = torch.zeros(sum(update.numel() for update in updates))
        places = flat.split([update.numel() for update in updates])
        for update, place in list(zip(updates, places, strict=True))[rank::count]:
            place.copy_(orthogonalised(update[None]).flatten())
        dist.all_reduce(flat)
        return [place.view_as(update) for update, place in zip(updates, places, strict=True)]
