"""What the heads that guess ahead are trained on, and how they are written."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH
from training.batches import IGNORED, collate, prompt_ids
from training.charset import TOKENIZER
from training.draft import HEADS, Draft, accepted, examples, write_draft
from training.model import Mini, Shape
from training.samples import Line, Sample

SHAPE = Shape(vocab=TOKENIZER.get_vocab_size())


def test_each_state_is_to_guess_what_follows_its_next_token() -> None:
    short, long = (
        Sample(
            np.full((16, 64), 255, dtype=np.uint8),
            [
                Line(
                    text,
                    np.arange(0, 8 * len(text) + 1, 8, dtype=np.float64),
                    np.full(len(text) + 1, 8.0),
                    14.0,
                )
            ],
        )
        for text in ("ab", "abcde")
    )
    batch = collate([short, long], prompt_ids("OCR"))
    states, ids = examples(Mini(SHAPE), batch)
    lengths = [3, 6]  # with the token that ends an answer
    assert states.shape == (sum(lengths), SHAPE.hidden)
    assert ids.shape == (sum(lengths), HEADS)
    labels = batch.labels[0, :3].tolist() + batch.labels[1].tolist()
    ends = [3] * 3 + [9] * 6
    for position, (row, end) in enumerate(zip(ids.tolist(), ends, strict=True)):
        after = labels[position + 1 : end][:HEADS]
        assert row == after + [IGNORED] * (HEADS - len(after))


def test_a_guess_counts_only_if_those_before_it_are_right() -> None:
    draft = Draft(SHAPE)
    states = torch.randn(9, SHAPE.hidden)
    ids = draft(states).argmax(-1)
    assert accepted(draft, [(states, ids)]) == [1.0] * HEADS
    ids[:3, 0] = IGNORED
    assert accepted(draft, [(states, ids)]) == [0.6667] * HEADS


def test_the_bundled_heads_are_of_this_kind(tmp_path: Path) -> None:
    draft = Draft(SHAPE)
    write_draft(draft, SHAPE, tmp_path)
    bundled = BUNDLED_MODEL_PATH / "draft"
    assert json.loads((bundled / "config.json").read_text()) == json.loads(
        (tmp_path / "config.json").read_text()
    )
    weights = load_file(bundled / "model.safetensors")
    assert {name: value.shape for name, value in weights.items()} == {
        name: value.shape for name, value in draft.state_dict().items()
    }
