"""Read with a model directory: `python -m training.validation serve/qwen_ocr_serve/mini`.

Blocks and pieces of lines in families that training leaves out, read greedily by transformers: how
many characters are wrong, and the worst readings. For choosing among weights.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from PIL import Image

from qwen_ocr_serve.vllm_patches.torchvision_compat import declare_operators
from qwen_ocr_tools.evaluation.metrics import character_errors
from training.batches import PROMPTS
from training.pieces import PiecePool
from training.render import render
from training.samples import TOKEN, Sample
from training.scripts import for_validation

SLACK = 8
"""Tokens that an answer may have more than the true one."""
SHAPES = ((2, 30), (3, 40), (8, 24), (12, 30), (18, 22))
"""Rows and columns of the visual tokens of blocks."""


class Reading(NamedTuple):
    """What was read of an image."""

    wrong: float
    """Characters."""
    tokens: int
    truth: str
    text: str


def samples(count: int) -> dict[str, list[list[Sample]]]:
    """Batches of blocks and of pieces, about `count` images of each."""
    kinds: dict[str, list[list[Sample]]] = {}
    for name, script in for_validation().items():
        pool = PiecePool(script)
        rng = random.Random("validation")
        kinds[f"{name} blocks"] = [
            [
                render(
                    rng, script, columns * TOKEN, rows * TOKEN, rng.uniform(18, 34), strength=0.5
                )
                for _ in range(max(1, count // len(SHAPES)))
            ]
            for rows, columns in SHAPES
        ]
        kinds[f"{name} pieces"] = []
        while sum(map(len, kinds[f"{name} pieces"])) < count:
            kinds[f"{name} pieces"].append(pool.take(rng, 2000, strength=0.5))
    return kinds


class Reader:
    """A model directory, and what it reads on images."""

    def __init__(self, directory: Path) -> None:
        declare_operators()  # transformers imports torchvision when it is first used
        self._processor: Any = transformers.AutoProcessor.from_pretrained(directory)
        self._model: Any = transformers.AutoModelForImageTextToText.from_pretrained(
            directory, dtype=torch.float32
        )
        content = [{"type": "image"}, {"type": "text", "text": PROMPTS[0]}]
        self._prompt = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )

    @torch.no_grad()
    def read(self, batch: list[Sample]) -> list[tuple[str, int]]:
        """The text of images of one size, and in how many tokens it is written."""
        images = [Image.fromarray(sample.image).convert("RGB") for sample in batch]
        inputs = self._processor(
            text=[self._prompt] * len(images), images=images, return_tensors="pt"
        )
        longest = max(len(sample.text) for sample in batch)
        written = self._model.generate(**inputs, max_new_tokens=longest + SLACK, do_sample=False)
        texts = []
        end, pad = self._model.generation_config.eos_token_id
        for ids in written[:, inputs["input_ids"].shape[1] :].tolist():
            kept = [token for token in ids if token not in (end, pad)]
            texts.append((self._processor.tokenizer.decode(kept), len(kept)))
        return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model directory")
    parser.add_argument("--images", type=int, default=60, help="of each kind")
    parser.add_argument("--worst", type=int, default=8, help="readings to show")
    options = parser.parse_args()
    torch.set_num_threads(1)
    reader = Reader(options.model)
    for kind, batches in samples(options.images).items():
        readings: list[Reading] = []
        for batch in batches:
            for sample, (text, tokens) in zip(batch, reader.read(batch), strict=True):
                wrong = character_errors(sample.text, text).part
                readings.append(Reading(wrong, tokens, sample.text, text))
        wrong = sum(reading.wrong for reading in readings)
        length = sum(len(reading.truth) for reading in readings)
        tokens = sum(reading.tokens for reading in readings)
        right = sum(reading.wrong == 0 for reading in readings) / len(readings)
        print(
            f"{kind}: {len(readings)} images, {100 * wrong / length:.2f} % of {length} characters "
            f"wrong, {100 * right:.0f} % without an error, {length / tokens:.2f} characters a token"
        )
        for reading in sorted(readings, key=lambda r: -r.wrong / max(len(r.truth), 1)):
            if options.worst and reading.wrong:
                print(f"  {reading.truth!r}\n  {reading.text!r}\n")
                options.worst -= 1


if __name__ == "__main__":
    main()
