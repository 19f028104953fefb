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
from torch import nn

from training.batches import (
    MOST_TOKENS,
    Batch,
    piece_batch,
    random_batch,
    stored_batch,
)
from training.charset import TOKENIZER
from training.losses import (
    CHARACTER_WEIGHT,
    CHINESE_WEIGHT,
    GUIDE_WEIGHT,
    LINE_WEIGHT,
    Trainee,
)
from training.model import Shape
from training.muon import Muon
from training.pieces import PiecePool
from training.rows import compose, plain_weights, start_from
from training.running import WARMUP_STEPS, Average, Stop, average_gradients, join, save
from training.samples import SERVED_SIZE, TYPE_SIZES
from training.scripts import for_training, for_validation

PEAK_RATE = 3e-3
HOLD = 0.6  # fraction of the time at the peak rate, before the linear decay to zero
CHINESE_PART = 0.5  # of the batches
STORED_PART = 0.08  # of the batches of a script, when there are browser-drawn ones
PIECES_PART = 0.75  # of the batches of a script
HEADS_ALONE_STEPS = 150  # after a start from a model without heads: they learn to fit it first


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
        Muon(matrices, lr=PEAK_RATE),
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


def validation_batches() -> dict[str, list[Batch]]:
    """Small blocks and pieces in families that are not trained on."""
    sizes = SERVED_SIZE, TYPE_SIZES[1]
    batches: dict[str, list[Batch]] = {}
    for name, script in for_validation().items():
        pool = PiecePool(script)
        batches[f"{name}_blocks"] = [
            random_batch(random.Random(f"test {i}"), script, strength=0.5, sizes=sizes)
            for i in range(4)
        ]
        batches[f"{name}_pieces"] = [
            piece_batch(random.Random(f"test {i}"), pool, strength=0.5) for i in range(8)
        ]
    return batches


@torch.no_grad()
def validate(trainee: Trainee, tests: dict[str, list[Batch]]) -> dict[str, float]:
    """Mean losses on fonts not trained on, each token given the true ones before it."""
    sums: dict[str, float] = {}
    for kind, batches in tests.items():
        for batch in batches:
            for name, loss in trainee.losses(batch, vision_only=False).items():
                key = f"{kind}_{name}"
                sums[key] = sums.get(key, 0.0) + float(loss) / len(batches)
    return sums


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--minutes", type=float, default=200, help="processor minutes of the whole run"
    )
    parser.add_argument("--vision-minutes", type=float, default=12, help="vision alone, at first")
    parser.add_argument(
        "--weights", type=Path, help="model directory to train on, past the lessons"
    )
    parser.add_argument("--peak", type=float, default=PEAK_RATE, help="learning rate at its peak")
    parser.add_argument("--browser", type=Path, help="folder that browser.py wrote")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rank = join(options.out, options.seed)
    trainee = Trainee(Shape(vocab=TOKENIZER.get_vocab_size()))
    compose(trainee.mini)
    steppers = optimizers(trainee)
    scripts = for_training()
    stored = {
        name: sorted((options.browser / name).glob("*.npz")) if options.browser else []
        for name in scripts
    }
    pools = {name: PiecePool(script, stored[name]) for name, script in scripts.items()}
    tests = validation_batches()
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
        start_from(trainee.mini, options.weights)
    else:
        seen = [
            random_batch(random.Random(f"whiten {i}"), script).images
            for script in scripts.values()
            for i in range(20)
        ]
        trainee.mini.visual.whiten(seen)
    average = Average(trainee)
    if checkpoint.exists():
        average.values = state["average_parts"]
    last_save = minutes
    stop, finished = Stop(), False
    while not finished and minutes < options.minutes:
        began = time.process_time()
        step += 1
        progress = minutes / options.minutes
        rate = min(1.0, step / WARMUP_STEPS, (1 - progress) / (1 - HOLD))
        for stepper in steppers:
            for group in stepper.param_groups:
                group["lr"] = options.peak * rate
        vision_only = minutes < options.vision_minutes
        rng = random.Random(f"{options.seed} {rank} {step}")
        lesson = curriculum(1.0 if options.weights else progress)
        # The same in all processes: the one with less work would wait for the others.
        shared = random.Random(f"{options.seed} {step}")
        script = "chinese" if shared.random() < CHINESE_PART else "latin"
        # A network that knows nothing begins with the clean lines of the first lessons.
        kind = 1.0 if vision_only and not options.weights else shared.random()
        if kind < PIECES_PART:
            batch = piece_batch(rng, pools[script], strength=lesson["strength"])
        elif stored[script] and kind < PIECES_PART + STORED_PART:
            batch = stored_batch(rng, rng.choice(stored[script]), strength=lesson["strength"])
        else:
            batch = random_batch(rng, scripts[script], **lesson)
        losses = trainee.losses(
            batch,
            vision_only=vision_only,
            heads_alone=bool(options.weights) and step <= HEADS_ALONE_STEPS,
        )
        loss = CHARACTER_WEIGHT * losses["characters"] + CHINESE_WEIGHT * losses["chinese"]
        if not vision_only:
            loss = loss + losses["text"] + GUIDE_WEIGHT * losses["guide"]
            loss = loss + LINE_WEIGHT * losses["lines"]
        loss.backward()
        average_gradients(trainee)
        nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad()
        average.update(trainee, step)
        images += dist.get_world_size() * len(batch.images)
        characters += dist.get_world_size() * sum(batch.lengths)
        clock = torch.tensor([time.process_time() - began, float(stop.asked)])
        dist.all_reduce(clock, dist.ReduceOp.MAX)
        minutes += clock[0].item() / 60
        stopped = clock[1].item() > 0
        finished = stopped or minutes >= options.minutes
        if rank == 0 and (step % 20 == 0 or finished):
            row = {name: round(value.item(), 4) for name, value in losses.items()}
            row |= {"step": step, "minutes": round(minutes, 2), "images": images}
            row |= {"characters_read": characters, "rate": round(options.peak * rate, 6)}
            if not vision_only and (step % 300 == 0 or (finished and not stopped)):
                average.swap(trainee)
                row |= validate(trainee, tests)
                average.swap(trainee)
            with (options.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
        if rank == 0 and (minutes - last_save > 4 or finished):
            last_save = minutes
            average.swap(trainee)
            exported = {name: value.clone() for name, value in plain_weights(trainee.mini).items()}
            average.swap(trainee)
            save(
                checkpoint,
                {
                    "model": trainee.state_dict(),
                    "average": exported,
                    "average_parts": average.values,
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
