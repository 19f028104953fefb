"""Batches of rendered text: images of one size, one prompt, answers and where to look for them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from qwen_ocr.type_size import type_height
from training.charset import CHARSET, CHINESE, TOKENIZER, special_id
from training.pieces import PiecePool
from training.render import finish, render
from training.samples import (
    MINI,
    SERVED_SIZE,
    TOKEN,
    TYPE_SIZES,
    Sample,
    fit,
    load_batch,
    reading_path,
    token_labels,
)
from training.scripts import Script
from training.text import TextSource

IGNORED = -100
TOKENS_PER_BATCH = 2000  # visual and answer tokens, roughly: what one step works through
TOKENS_OF_PIECES = 2600  # the same of small images, which take less attention
MOST_TOKENS = 800  # visual tokens of the largest image
PROMPTS = (
    "Read all the text in the image.",
    (
        "Please output only the text content from the image without any additional descriptions "
        "or formatting."
    ),
    "Read all the text.",
    "OCR",
    "What does it say?",
    "Extract the text from this image.",
    "Transcribe.",
    "qwenvl markdown",
    "",
)

NOTHING = len(CHARSET)  # what a visual token without text shows
FIRST_CHINESE = NOTHING + 1
CHARACTER_CLASS = {character: number for number, character in enumerate(CHARSET)} | {
    character: FIRST_CHINESE + number for number, character in enumerate(CHINESE)
}
IMAGE_PAD = special_id("<|image_pad|>")
IM_END = special_id("<|im_end|>")
NEWLINE = TOKENIZER.encode("\n").ids[0]
SMALL_BATCHES = 0.2  # the part of the batches of blocks whose type may be as small as it comes
MISREAD_BATCHES = 0.5  # the part of the batches with misread tokens
MOST_MISREAD = 0.12  # the largest part of the tokens of such a batch


@dataclass
class Batch:
    """Tensors for one forward pass; n images of rows × columns visual tokens.

    images: (n, height, width), -1…1. prefix: prompt ids, -1 for the image. answer: (n, length) ids.
    labels: (n, length + 1) next ids, `IGNORED` past the end. first, last: (n, length + 1) the
    visual tokens that hold the first and the last character of each next token, `IGNORED` where
    there is none. characters: (n, rows × columns, SUBCOLUMNS) numbers of `CHARACTER_CLASS`,
    `NOTHING` where no text is. shown_line, read_line: (n, rows × columns) and (n, length + 1) the
    number of the line that a visual token shows, or that the next character stands in, from 0.
    lengths: characters of each answer, without its end.
    """

    images: Tensor
    prefix: Tensor
    answer: Tensor
    labels: Tensor
    first: Tensor
    last: Tensor
    characters: Tensor
    shown_line: Tensor
    read_line: Tensor
    lengths: list[int]


def prompt_ids(prompt: str, *, system: str = "", text_first: bool = False) -> list[int]:
    """What the chat template yields for one image and `prompt`, as ids, -1 for the image."""
    image = "<|vision_start|><|image_pad|><|vision_end|>"
    content = prompt + image if text_first else image + prompt
    start = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
    text = f"{start}<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n"
    return [-1 if token == IMAGE_PAD else token for token in TOKENIZER.encode(text).ids]


def random_prompt(rng: random.Random) -> list[int]:
    """Mostly the default prompt; any other must not break reading, so any other may come."""
    kind = rng.random()
    if kind < 0.55:
        prompt = PROMPTS[0]
    elif kind < 0.85:
        prompt = rng.choice(PROMPTS)
    else:
        source = TextSource(rng)
        prompt = " ".join(source.token() for _ in range(rng.randint(1, 12)))
    system = "You are a helpful assistant." if rng.random() < 0.06 else ""
    return prompt_ids(prompt, system=system, text_first=rng.random() < 0.15)


def _canvas(rng: random.Random, most_tokens: int) -> tuple[int, int]:
    """Rows and columns of visual tokens: single lines, and blocks of up to `most_tokens`."""
    if rng.random() < 0.25:
        rows = rng.choice((1, 2, 2, 2, 3, 3, 4, 5))
        return rows, rng.randint(4, min(60, most_tokens // rows))
    tokens = math.exp(rng.uniform(math.log(60), math.log(most_tokens)))
    across = math.exp(rng.uniform(math.log(0.6), math.log(7)))  # columns per row
    rows = max(2, round(math.sqrt(tokens / across)))
    return rows, max(6, round(tokens / rows))


def _count(work: float, width: int, height: int) -> int:
    """How many images of a canvas's size make up `work` tokens, answers included."""
    across, down = MINI.resized((width, height))
    return max(2, min(32, round(work / (across * down / TOKEN**2 + 30))))


def random_batch(
    rng: random.Random,
    script: Script,
    *,
    strength: float = 1.0,
    most_tokens: int = MOST_TOKENS,
    sizes: tuple[float, float] = TYPE_SIZES,
) -> Batch:
    """A batch in which canvas and prompt are shared and the size of type is similar."""
    rows, columns = _canvas(rng, most_tokens)
    if rng.random() >= SMALL_BATCHES:
        sizes = max(sizes[0], SERVED_SIZE), sizes[1]
        rows = max(rows, 2)
    largest = max(sizes[0], min(sizes[1], rows * TOKEN * 0.8, columns * TOKEN / 5))
    size = math.exp(rng.uniform(math.log(sizes[0]), math.log(largest)))
    work = TOKENS_PER_BATCH * math.sqrt(most_tokens / MOST_TOKENS)
    count = _count(work, columns * TOKEN, rows * TOKEN)
    samples = [
        render(
            rng,
            script,
            columns * TOKEN,
            rows * TOKEN,
            min(max(sizes[0], size * rng.uniform(0.85, 1.18)), largest),
            strength=strength,
        )
        for _ in range(count)
    ]
    return misread(rng, collate(samples, random_prompt(rng)))


def stored_batch(rng: random.Random, path: Path, *, strength: float = 1.0) -> Batch:
    """A random part of a batch that `browser.py` stored, degraded anew."""
    samples = load_batch(path)
    if rng.random() >= SMALL_BATCHES:
        samples = _enlarged(samples)
    height, width = samples[0].image.shape
    count = min(len(samples), _count(TOKENS_PER_BATCH, width, height))
    finished = []
    for sample in rng.sample(samples, count):
        size = sample.lines[0].height if sample.lines else float(TYPE_SIZES[0])
        image = Image.fromarray(sample.image)
        finished.append(finish(rng, image, sample.lines, width, height, size, strength))
    return misread(rng, collate(finished, random_prompt(rng)))


def _enlarged(samples: list[Sample]) -> list[Sample]:
    """Blocks of one size as large as the server makes the first one."""
    image = Image.fromarray(samples[0].image)
    size = MINI.enlarged(image.size, type_height(image))
    if size == image.size:
        return samples
    width, height = (max(1, round(side / TOKEN)) * TOKEN for side in size)
    return [fit(Image.fromarray(s.image), s.lines, width, height) for s in samples]


def piece_batch(rng: random.Random, pool: PiecePool, *, strength: float = 1.0) -> Batch:
    """Pieces of lines, cut as the server does."""
    samples = pool.take(rng, TOKENS_OF_PIECES, strength=strength)
    return misread(rng, collate(samples, random_prompt(rng)))


def misread(rng: random.Random, batch: Batch) -> Batch:
    """Replace some tokens that the network is told it has read, as misreading would.

    A reader that finds its place by the last characters alone is lost after a mistake; the labels
    stay true. Line breaks stay as they are, and none are added.
    """
    if rng.random() < MISREAD_BATCHES:
        generator = torch.Generator().manual_seed(rng.randrange(2**62))
        order = torch.rand(batch.answer.shape, generator=generator).argsort(dim=1)
        others = batch.answer.gather(1, order)  # of the same text: what is most easily confused
        chance = torch.rand(batch.answer.shape, generator=generator)
        text = (batch.labels[:, 1:] != IGNORED) & (batch.answer != NEWLINE)
        wrong = (chance < rng.uniform(0, MOST_MISREAD)) & text & text.gather(1, order)
        batch.answer = torch.where(wrong, others, batch.answer)
    return batch


def collate(samples: list[Sample], prefix: list[int]) -> Batch:
    """Tensors of samples whose images have one size."""
    encodings = TOKENIZER.encode_batch([sample.text for sample in samples])
    length = max(len(encoding.ids) for encoding in encodings)
    answer = torch.zeros(len(samples), length, dtype=torch.long)
    labels = torch.full((len(samples), length + 1), IGNORED)
    first, last, read_line = (torch.full_like(labels, IGNORED) for _ in range(3))
    for index, (encoding, sample) in enumerate(zip(encodings, samples, strict=True)):
        count = len(encoding.ids)
        answer[index, :count] = torch.tensor(encoding.ids, dtype=torch.long)
        labels[index, : count + 1] = torch.tensor([*encoding.ids, IM_END])
        if count:
            path = torch.from_numpy(reading_path(sample))
            spans = torch.tensor([*encoding.offsets, (len(sample.text), len(sample.text) + 1)])
            first[index, : count + 1] = path[spans[:, 0]]
            last[index, : count + 1] = path[spans[:, 1] - 1]
            breaks = torch.tensor([0, *(token == NEWLINE for token in encoding.ids)])
            read_line[index, : count + 1] = breaks.cumsum(0)
    images = np.stack([sample.image for sample in samples])
    shown = [token_labels(sample, CHARACTER_CLASS, NOTHING) for sample in samples]
    return Batch(
        images=torch.from_numpy(images).float() / 127.5 - 1,
        prefix=torch.tensor(prefix),
        answer=answer,
        labels=labels,
        first=first,
        last=last,
        characters=torch.from_numpy(np.stack([characters for characters, _ in shown])).flatten(
            1, 2
        ),
        shown_line=torch.from_numpy(np.stack([lines for _, lines in shown])).flatten(1, 2),
        read_line=read_line,
        lengths=[len(sample.text) for sample in samples],
    )
