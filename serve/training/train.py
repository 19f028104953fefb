"""Train `mini` from scratch: `torchrun --nproc-per-node 2 -m training.train --out RUN`.

Two single-threaded processes with averaged gradients beat one process with two threads. The run
resumes from `RUN/checkpoint.pt`. Minutes are of processor time, so that neither a pause nor another
program on the machine shortens the schedule.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from training.batches import (
    IGNORED,
    MOST_TOKENS,
    Batch,
    random_batch,
    stored_batch,
)
from training.charset import TOKENIZER
from training.export import load_weights
from training.fonts import HELD_OUT_FAMILIES, TRAINING_FAMILIES, FontPicker
from training.model import Linear, Mini, Shape
from training.samples import SUBCOLUMNS, TYPE_SIZES

PEAK_RATE = 3e-3
WARMUP_STEPS = 100
HOLD = 0.25  # fraction of the time at the peak rate, before the linear decay to zero
STORED_PART = 0.4  # of the batches, when there are browser-drawn ones
# (layer, head, lag): lag 0 looks at the next character, lag 1 at the one just read.
GUIDES = ((1, 1, 1), (2, 0, 1), (2, 1, 0), (3, 0, 0))
GUIDE_WEIGHT, CHARACTER_WEIGHT, LINE_WEIGHT = 0.3, 0.3, 0.1
MOST_LINES = 64  # told apart; those further down count as the last
HEADS_ALONE_STEPS = 150  # after a start from a model without heads: they learn to fit it first


class Trainee(nn.Module):
    """The network and the heads that teach it, which are not exported.

    `characters` tells what a visual token shows; `lines` tells, halfway through the language
    layers, in which line of text a visual token stands, and the next character to be written.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.mini = Mini(shape)
        self.characters = Linear(shape.vision_hidden, SUBCOLUMNS * shape.vocab)
        self.lines = Linear(shape.hidden, MOST_LINES)

    def character_loss(self, vision: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the character under each quarter of each visual token."""
        scores = self.characters(vision).float().unflatten(-1, (SUBCOLUMNS, -1))
        return F.cross_entropy(scores.flatten(0, 2), batch.characters.flatten())

    def line_loss(self, placed: Tensor, reading: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the number of the line, of visual tokens and of the answer's positions.

        One head for both: their states become alike where they belong together, which is what
        attention needs to tell apart two lines with the same words.
        """
        if (batch.path == IGNORED).all():  # blank images: no line to stand in
            scores: Tensor = self.lines(reading)
            return 0 * scores.sum()  # but a gradient, as the other process has one
        return sum(
            (
                F.cross_entropy(
                    self.lines(states).float().flatten(0, 1),
                    numbers.clamp(max=MOST_LINES - 1).flatten(),
                    ignore_index=IGNORED,
                )
                for states, numbers in ((placed, batch.shown_line), (reading, batch.read_line))
            ),
            torch.zeros(()),
        )

    def guide_loss(self, attention: list[tuple[Tensor, Tensor]], batch: Batch) -> Tensor:
        """Cross-entropy of chosen heads' attention against the reading path."""
        if (batch.path == IGNORED).all():  # blank images: nowhere to look
            return torch.zeros(())
        positions = batch.labels.shape[1]
        before = int((batch.prefix == -1).nonzero()[0, 0])
        total = torch.zeros(())
        for layer, head, lag in GUIDES:
            query, key = (states[:, head] for states in attention[layer])
            scores = query[:, -positions:] @ key.transpose(1, 2) * query.shape[-1] ** -0.5
            future = torch.ones(positions, key.shape[1], dtype=torch.bool)
            scores = scores.masked_fill(future.triu(key.shape[1] - positions + 1), -torch.inf)
            target = F.pad(batch.path, (lag, 0), value=IGNORED)[:, :positions]
            target = torch.where(target == IGNORED, IGNORED, target + before)
            total = total + F.cross_entropy(scores.flatten(0, 1), target.flatten())
        return total / len(GUIDES)

    def losses(
        self, batch: Batch, *, vision_only: bool, heads_alone: bool = False
    ) -> dict[str, Tensor]:
        """The losses by name; only `characters` while only vision is trained.

        With `heads_alone` the losses of the heads do not reach the network.
        """
        if vision_only:
            last, _ = self.mini.visual(batch.images)
            return {"characters": self.character_loss(last, batch)}
        output = self.mini(batch.images, batch.prefix, batch.answer)
        heads = (output.vision, output.placed, output.reading)
        vision, placed, reading = (s.detach() for s in heads) if heads_alone else heads
        labels = batch.labels.flatten()
        chosen = labels != IGNORED
        scores = self.mini.logits(output.hidden.flatten(0, 1)[chosen])
        return {
            "text": F.cross_entropy(scores, labels[chosen]),
            "guide": self.guide_loss(output.attention, batch),
            "characters": self.character_loss(vision, batch),
            "lines": self.line_loss(placed, reading, batch),
            "wrong": (scores.argmax(-1) != labels[chosen]).float().mean().detach(),
        }


def optimizers(trainee: Trainee) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for the rest."""
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in trainee.named_parameters():
        inside = parameter.ndim == 2 and any(
            part in name for part in (".blocks.", ".layers.", "merger")
        )
        (matrices if inside else rest).append(parameter)
    return [
        torch.optim.Muon(matrices, lr=PEAK_RATE, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=PEAK_RATE, weight_decay=0.0, betas=(0.9, 0.98)),
    ]


def curriculum(progress: float) -> dict[str, Any]:
    """Clean lines of middle size first; all sizes, whole blocks, full noise from a third on."""
    part = min(1.0, 3 * progress)
    (smallest, largest), most = TYPE_SIZES, 28.0
    return {
        "strength": part,
        "most_tokens": round((0.12 + 0.88 * part) * MOST_TOKENS),
        "sizes": (16 + (smallest - 16) * part, most + (largest - most) * part),
    }


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


@torch.no_grad()
def validate(trainee: Trainee, batches: list[Batch]) -> dict[str, float]:
    """Mean losses on held-out fonts, each character given the true ones before it."""
    sums: dict[str, float] = {}
    for batch in batches:
        for name, loss in trainee.losses(batch, vision_only=False).items():
            sums[name] = sums.get(name, 0.0) + float(loss) / len(batches)
    return {f"held_out_{name}": value for name, value in sums.items()}


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that a crash halfway leaves the last one whole."""
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--minutes", type=float, default=130, help="processor minutes of the whole run"
    )
    parser.add_argument("--vision-minutes", type=float, default=9, help="vision alone, at first")
    parser.add_argument(
        "--weights", type=Path, help="model directory to train on, past the lessons"
    )
    parser.add_argument("--peak", type=float, default=PEAK_RATE, help="learning rate at its peak")
    parser.add_argument("--browser", type=Path, help="folder that browser.py wrote")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rank = join(options.out, options.seed)
    trainee = Trainee(Shape(vocab=TOKENIZER.get_vocab_size()))
    steppers = optimizers(trainee)
    fonts = FontPicker(TRAINING_FAMILIES)
    unseen = FontPicker(HELD_OUT_FAMILIES)
    tests = [random_batch(random.Random(f"test {i}"), unseen, strength=0.5) for i in range(8)]
    step, minutes, images, characters = 0, 0.0, 0, 0
    checkpoint = options.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        trainee.load_state_dict(state["model"])
        for stepper, saved in zip(steppers, state["optimizers"], strict=True):
            stepper.load_state_dict(saved)
        step, minutes = state["step"], state["minutes"]
        images, characters = state["images"], state["characters"]
    elif options.weights:
        trainee.mini.load_state_dict(load_weights(options.weights))
    else:
        seen = [random_batch(random.Random(f"whiten {i}"), fonts).images for i in range(40)]
        trainee.mini.visual.whiten(seen)
    stored = sorted(options.browser.glob("*.npz")) if options.browser else []
    last_save = minutes
    while minutes < options.minutes:
        began = time.process_time()
        step += 1
        progress = minutes / options.minutes
        rate = min(1.0, step / WARMUP_STEPS, (1 - progress) / (1 - HOLD))
        for stepper in steppers:
            for group in stepper.param_groups:
                group["lr"] = options.peak * rate
        vision_only = not options.weights and minutes < options.vision_minutes
        rng = random.Random(f"{options.seed} {rank} {step}")
        lesson = curriculum(1.0 if options.weights else progress)
        if stored and not vision_only and rng.random() < STORED_PART:
            batch = stored_batch(rng, rng.choice(stored), strength=lesson["strength"])
        else:
            batch = random_batch(rng, fonts, **lesson)
        losses = trainee.losses(
            batch,
            vision_only=vision_only,
            heads_alone=bool(options.weights) and step <= HEADS_ALONE_STEPS,
        )
        loss = CHARACTER_WEIGHT * losses["characters"]
        if not vision_only:
            loss = loss + losses["text"] + GUIDE_WEIGHT * losses["guide"]
            loss = loss + LINE_WEIGHT * losses["lines"]
        loss.backward()
        average_gradients(trainee)
        nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad()
        images += dist.get_world_size() * len(batch.images)
        characters += dist.get_world_size() * int((batch.labels != IGNORED).sum())
        clock = torch.tensor(time.process_time() - began)
        dist.all_reduce(clock, dist.ReduceOp.MAX)
        minutes += float(clock) / 60
        finished = minutes >= options.minutes
        if rank == 0 and step % 20 == 0:
            row = {name: round(value.item(), 4) for name, value in losses.items()}
            row |= {"step": step, "minutes": round(minutes, 2), "images": images}
            row |= {"characters_read": characters, "rate": round(options.peak * rate, 6)}
            if not vision_only and (step % 200 == 0 or finished):
                row |= validate(trainee, tests)
            with (options.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
        if rank == 0 and (minutes - last_save > 4 or finished):
            last_save = minutes
            save(
                checkpoint,
                {
                    "model": trainee.state_dict(),
                    "optimizers": [stepper.state_dict() for stepper in steppers],
                    "step": step,
                    "minutes": minutes,
                    "images": images,
                    "characters": characters,
                },
            )
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
