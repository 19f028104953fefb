"""Train the heads that guess ahead of `mini`: `torchrun --nproc-per-node 2 -m training.draft`.

A Medusa head (https://arxiv.org/abs/2401.10774) sees the state from which the model tells the next
token, and guesses a token after it. The model then checks in one step what was guessed, so that an
answer takes fewer steps and stays the same. The model itself is not changed: the heads are trained
on its states, with images of the kind that it was trained on. The run resumes from
`RUN/checkpoint.pt`, unless that was made for other weights of the model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from training.batches import IGNORED, Batch, random_batch
from training.charset import TOKENIZER
from training.export import load_weights
from training.fonts import HELD_OUT_FAMILIES, TRAINING_FAMILIES, FontPicker
from training.model import Mini, Shape
from training.train import WARMUP_STEPS, average_gradients, join, save

HEADS = 2  # the first guesses the token after the next one
DEPTH = 3  # layers of each head
PEAK_RATE = 2e-3
HOLD = 0.3  # fraction of the time at the peak rate, before the linear decay to zero


class Head(nn.Module):
    """What vLLM calls a block: layers of the state's width, each added to its input."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(DEPTH))
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, state: Tensor) -> Tensor:
        for layer in self.layers:
            state = state + F.silu(layer(state))
        return state


class Draft(nn.Module):
    """The heads, under the parameter names of vLLM's `MedusaModel`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Head(shape.hidden) for _ in range(HEADS))
        self.lm_heads = nn.ModuleList(
            nn.Linear(shape.hidden, shape.vocab, bias=False) for _ in range(HEADS)
        )

    def forward(self, states: Tensor) -> Tensor:
        """Scores (…, heads, vocabulary) from the model's last states (…, hidden)."""
        pairs = zip(self.blocks, self.lm_heads, strict=True)
        return torch.stack([scores(block(states)) for block, scores in pairs], dim=-2)


def examples(mini: Mini, batch: Batch) -> tuple[Tensor, Tensor]:
    """States (n, hidden) of the answers' positions, and the ids (n, heads) that follow the next.

    `IGNORED` past the end of an answer.
    """
    with torch.no_grad():
        states = mini(batch.images, batch.prefix, batch.answer).hidden
    ahead = F.pad(batch.labels, (0, HEADS), value=IGNORED).unfold(1, HEADS + 1, 1)
    inside = ahead[..., 0] != IGNORED
    return states[inside].float(), ahead[inside][:, 1:]


@torch.no_grad()
def accepted(draft: Draft, tests: list[tuple[Tensor, Tensor]]) -> list[float]:
    """How often the first guess is right, the first two are, and so on."""
    right = torch.cat([draft(states).argmax(-1) == ids for states, ids in tests])
    return [round(share, 4) for share in right.cumprod(dim=1).float().mean(dim=0).tolist()]


def write_draft(draft: Draft, shape: Shape, directory: Path) -> None:
    """Write the heads as a draft model that vLLM loads."""
    directory.mkdir(parents=True, exist_ok=True)
    weights = {name: value.bfloat16() for name, value in draft.state_dict().items()}
    weights_file = directory / "model.safetensors"
    save_file(weights, weights_file, metadata={"format": "pt"})
    weights_file.chmod(0o644)  # safetensors writes it for the owner alone
    config = {
        "architectures": ["MedusaModel"],
        "model_type": "medusa",
        "dtype": "bfloat16",
        "hidden_size": shape.hidden,
        "vocab_size": shape.vocab,
        "num_heads": HEADS,
        "num_hidden_layers": DEPTH,
        "medusa_fc_bias": True,
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model directory; the heads go to its draft/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, default=20, help="processor minutes of the run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rank = join(options.out, options.seed)
    mini = Mini(Shape(vocab=TOKENIZER.get_vocab_size()))
    mini.load_state_dict(load_weights(options.model))
    draft = Draft(mini.shape)
    for scores in draft.lm_heads:
        scores.load_state_dict({"weight": mini.language_model.embed_tokens.weight})
    stepper = torch.optim.AdamW(draft.parameters(), weight_decay=0.0, betas=(0.9, 0.98))
    fonts, unseen = FontPicker(TRAINING_FAMILIES), FontPicker(HELD_OUT_FAMILIES)
    tests = [
        examples(mini, random_batch(random.Random(f"test {i}"), unseen, strength=0.5))
        for i in range(12)
    ]
    step, minutes = 0, 0.0
    checkpoint = options.out / "checkpoint.pt"
    target = hashlib.sha256((options.model / "model.safetensors").read_bytes()).hexdigest()
    state = torch.load(checkpoint) if checkpoint.exists() else {}
    if state.get("target") == target:
        draft.load_state_dict(state["model"])
        stepper.load_state_dict(state["optimizer"])
        step, minutes = state["step"], state["minutes"]
    while minutes < options.minutes:
        began = time.process_time()
        step += 1
        rate = min(1.0, step / WARMUP_STEPS, (1 - minutes / options.minutes) / (1 - HOLD))
        for group in stepper.param_groups:
            group["lr"] = PEAK_RATE * rate
        batch = random_batch(random.Random(f"{options.seed} {rank} {step}"), fonts)
        states, ids = examples(mini, batch)
        loss = F.cross_entropy(draft(states).flatten(0, 1), ids.flatten(), ignore_index=IGNORED)
        loss.backward()
        average_gradients(draft)
        stepper.step()
        stepper.zero_grad()
        clock = torch.tensor(time.process_time() - began)
        dist.all_reduce(clock, dist.ReduceOp.MAX)
        minutes += float(clock) / 60
        finished = minutes >= options.minutes
        if rank == 0 and (step % 100 == 0 or finished):
            row = {"step": step, "minutes": round(minutes, 2), "loss": round(loss.item(), 4)}
            print(json.dumps({**row, "held_out_accepted": accepted(draft, tests)}), flush=True)
            state = {"target": target, "step": step, "minutes": minutes}
            state |= {"model": draft.state_dict(), "optimizer": stepper.state_dict()}
            save(checkpoint, state)
    if rank == 0:
        write_draft(draft, mini.shape, options.model / "draft")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
