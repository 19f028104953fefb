"""Whether vision of this size tells Chinese characters apart: `torchrun --nproc-per-node 2 -m
training.probe --out RUN`.

Vision alone learns to tell the character under the middle of each visual token, among the 3,755 of
GB 2312's first level, punctuation and nothing. What counts is the share of characters for which the
token in their middle is right, in families that it is not trained on. The run resumes from
`RUN/checkpoint.pt`, and writes the curve to `RUN/log.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from training.chinese import (
    CHARACTERS,
    HELD_OUT_FAMILIES,
    PUNCTUATION,
    TRAINING_FAMILIES,
    draw_lines,
    font_picker,
)
from training.export import load_weights
from training.fonts import FontPicker
from training.model import Linear, Shape, Vision
from training.muon import Muon
from training.running import WARMUP_STEPS, Stop, average_gradients, join, save
from training.samples import SUBCOLUMNS, Sample, reading_path, token_labels

CLASSES = {character: number for number, character in enumerate(CHARACTERS + PUNCTUATION)}
NOTHING = len(CLASSES)
TOKENS_PER_BATCH = 2400
HOLD = 0.4  # fraction of the time at the peak rate, before the linear decay to zero


class Probe(nn.Module):
    """Vision, and scores of the characters that its tokens show."""

    def __init__(self) -> None:
        super().__init__()
        shape = Shape(vocab=1)
        self.visual = Vision(shape)
        self.norm = nn.LayerNorm(shape.vision_hidden)
        self.characters = Linear(shape.vision_hidden, NOTHING + 1)

    def forward(self, images: Tensor) -> Tensor:
        last, _ = self.visual(images)
        scores: Tensor = self.characters(self.norm(last)).float()
        return scores


def batch(
    rng: random.Random, fonts: FontPicker, *, strength: float
) -> tuple[Tensor, Tensor, list[Sample]]:
    """Images, the class of each visual token's middle, and the samples."""
    rows, columns = rng.choice(((2, 40), (3, 36), (6, 20), (10, 24)))
    samples = [
        draw_lines(rng, fonts, rows, columns, strength=strength)
        for _ in range(max(2, TOKENS_PER_BATCH // (rows * columns)))
    ]
    images = torch.from_numpy(np.stack([sample.image for sample in samples])).float() / 127.5 - 1
    labels = np.stack(
        [token_labels(sample, CLASSES, NOTHING)[0][..., SUBCOLUMNS // 2] for sample in samples]
    )
    return images, torch.from_numpy(labels).flatten(1), samples


@torch.no_grad()
def accuracy(probe: Probe, tests: list[tuple[Tensor, Tensor, list[Sample]]]) -> float:
    """The share of characters that the token in their middle shows."""
    right = total = 0
    for images, _, samples in tests:
        best = probe(images).argmax(-1)
        for found, sample in zip(best, samples, strict=True):
            for character, place in zip(sample.text, reading_path(sample), strict=False):
                if character in CLASSES:
                    total += 1
                    right += int(found[place] == CLASSES[character])
    return right / total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, default=110, help="processor minutes of the run")
    parser.add_argument("--weights", type=Path, help="model directory to take vision from")
    parser.add_argument("--peak", type=float, default=2e-3, help="learning rate at its peak")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rank = join(options.out, options.seed)
    probe = Probe()
    for parameter in (
        *probe.visual.merger.parameters(),
        *probe.visual.deepstack_merger_list.parameters(),
    ):
        parameter.requires_grad_(False)
    matrices = [p for n, p in probe.named_parameters() if p.ndim == 2 and ".blocks." in n]
    inside = {id(p) for p in matrices}
    rest = [p for p in probe.parameters() if id(p) not in inside and p.requires_grad]
    steppers: list[torch.optim.Optimizer] = [
        Muon(matrices, lr=options.peak),
        torch.optim.AdamW(rest, lr=options.peak, weight_decay=0.0, betas=(0.9, 0.98)),
    ]
    fonts = font_picker(TRAINING_FAMILIES)
    pickers = {"seen": fonts} | {family: font_picker((family,)) for family in HELD_OUT_FAMILIES}
    tests = {
        name: [batch(random.Random(f"test {i}"), picker, strength=0.3) for i in range(4)]
        for name, picker in pickers.items()
    }
    step, minutes, characters = 0, 0.0, 0
    checkpoint = options.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        probe.load_state_dict(state["model"])
        for stepper, saved in zip(steppers, state["optimizers"], strict=True):
            stepper.load_state_dict(saved)
        step, minutes, characters = state["step"], state["minutes"], state["characters"]
    elif options.weights:
        weights = load_weights(options.weights)
        probe.visual.load_state_dict(
            {n.removeprefix("visual."): w for n, w in weights.items() if n.startswith("visual.")}
        )
    else:
        probe.visual.look_at_neighbours()
        first = [batch(random.Random(f"whiten {i}"), fonts, strength=0.3)[0] for i in range(20)]
        probe.visual.whiten(first)
    last_save = minutes
    stop, finished = Stop(), False
    while not finished and minutes < options.minutes:
        began = time.process_time()
        step += 1
        rate = min(1.0, step / WARMUP_STEPS, (1 - minutes / options.minutes) / (1 - HOLD))
        for stepper in steppers:
            for group in stepper.param_groups:
                group["lr"] = options.peak * rate
        rng = random.Random(f"{options.seed} {rank} {step}")
        images, labels, samples = batch(rng, fonts, strength=min(1.0, step / 1000))
        loss = F.cross_entropy(probe(images).flatten(0, 1), labels.flatten())
        loss.backward()
        average_gradients(probe)
        nn.utils.clip_grad_norm_(probe.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad()
        characters += dist.get_world_size() * sum(len(sample.text) for sample in samples)
        clock = torch.tensor([time.process_time() - began, float(stop.asked)])
        dist.all_reduce(clock, dist.ReduceOp.MAX)
        minutes += clock[0].item() / 60
        finished = clock[1].item() > 0 or minutes >= options.minutes
        if rank == 0 and (step % 100 == 0 or finished):
            row = {"step": step, "minutes": round(minutes, 2), "characters": characters}
            row |= {"loss": round(loss.item(), 4)}
            row |= {name: round(accuracy(probe, sets), 4) for name, sets in tests.items()}
            with (options.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
        if rank == 0 and (minutes - last_save > 4 or finished):
            last_save = minutes
            state = {"step": step, "minutes": minutes, "characters": characters}
            state |= {"model": probe.state_dict()}
            state |= {"optimizers": [stepper.state_dict() for stepper in steppers]}
            save(checkpoint, state)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
