"""What training runs share: processes, their gradients, the mean of the weights, checkpoints."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

WARMUP_STEPS = 100
AVERAGE = 0.998  # what a step leaves of the mean of the weights, which is exported


def join(out: Path, seed: int) -> int:
    """Make the folder of the run, meet the other process, and tell which of them this one is."""
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    dist.init_process_group("gloo")
    return dist.get_rank()


def average_gradients(network: nn.Module) -> None:
    """Replace each gradient by its mean over the processes."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


class Stop:
    """Whether somebody asked the run to end (SIGTERM, SIGINT), which it does after a checkpoint."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


class Average:
    """A moving mean of the weights, nearly as good as those after a decay of the rate."""

    def __init__(self, network: nn.Module) -> None:
        self.values = {n: p.detach().clone() for n, p in network.named_parameters()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the weights; faster during the first steps."""
        share = max(1 - AVERAGE, 9 / (10 + step))
        now = dict(network.named_parameters())
        torch._foreach_lerp_(list(self.values.values()), [now[name] for name in self.values], share)

    @torch.no_grad()
    def swap(self, network: nn.Module) -> None:
        """Exchange the mean and the weights."""
        for name, parameter in network.named_parameters():
            kept = parameter.detach().clone()
            parameter.copy_(self.values[name])
            self.values[name] = kept


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that a crash halfway leaves the last one whole."""
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)
