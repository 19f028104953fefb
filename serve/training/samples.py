"""Images of text with the place of every character, and what the losses make of that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from qwen_ocr.families import family_of

MINI = family_of("mini")
TOKEN = MINI.factor  # pixels per visual token, each side
TYPE_SIZES = (13.0, 48.0)  # px; of smaller type, a visual token holds more than it can tell
SERVED_SIZE = 22.0  # px; the server enlarges smaller type where the image has room for that
SUBCOLUMNS = 4  # character labels per visual token, left to right
NO_LINE = -100  # what a visual token without text belongs to; losses ignore it


@dataclass
class Line:
    """One line of text: `edges` are the x of its character boundaries, `y` those points' middle."""

    text: str
    edges: NDArray[np.float64]  # (len(text) + 1,)
    y: NDArray[np.float64]  # (len(text) + 1,)
    height: float


@dataclass
class Sample:
    """A grey image and its lines, top to bottom."""

    image: NDArray[np.uint8]  # (height, width)
    lines: list[Line]

    @property
    def text(self) -> str:
        """What a reader should answer."""
        return "\n".join(line.text for line in self.lines)


def transform(line: Line, matrix: NDArray[np.float64]) -> Line:
    """Apply a 2×3 affine map to a line's points."""
    x, y = matrix[:, :2] @ np.stack((line.edges, line.y)) + matrix[:, 2:]
    return Line(line.text, x, y, line.height * float(matrix[1, 1]))


def fit(image: Image.Image, lines: list[Line], width: int, height: int) -> Sample:
    """Resize a grey image and its lines to `width` × `height` px."""
    across, down = width / image.width, height / image.height
    matrix = np.array([[across, 0.0, 0.0], [0.0, down, 0.0]])
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return Sample(np.asarray(resized), [transform(line, matrix) for line in lines])


def token_labels(
    sample: Sample, character_id: dict[str, int], nothing: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What each visual token shows: which characters, and of which line.

    Returns (rows, columns, SUBCOLUMNS) ids of the characters under each quarter of its width,
    `nothing` where there is none, and (rows, columns) line numbers from 0, or `NO_LINE`. A token
    between two lines belongs to the line that covers more of its height.
    """
    rows, columns = sample.image.shape[0] // TOKEN, sample.image.shape[1] // TOKEN
    labels = np.full((rows, columns * SUBCOLUMNS), nothing, dtype=np.int64)
    numbers = np.full_like(labels, NO_LINE)
    best = np.zeros_like(labels, dtype=np.float64)
    centres = (np.arange(columns * SUBCOLUMNS) + 0.5) * TOKEN / SUBCOLUMNS
    for number, line in enumerate(sample.lines):
        ids = np.array([character_id[character] for character in line.text])
        inside = np.flatnonzero((centres >= line.edges[0]) & (centres < line.edges[-1]))
        glyph = np.searchsorted(line.edges, centres[inside], side="right") - 1
        middle = np.interp(centres[inside], line.edges, line.y)
        top, bottom = middle - line.height / 2, middle + line.height / 2
        for row in range(rows):
            overlap = np.minimum(bottom, (row + 1) * TOKEN) - np.maximum(top, row * TOKEN)
            wins = (overlap > best[row, inside]) & (overlap > 0.25 * min(TOKEN, line.height))
            where = inside[wins]
            labels[row, where] = ids[glyph[wins]]
            numbers[row, where] = number
            best[row, where] = overlap[wins]
    shape = (rows, columns, SUBCOLUMNS)
    return labels.reshape(shape), numbers.reshape(shape).max(axis=2)


def reading_path(sample: Sample) -> NDArray[np.int64]:
    """The visual token (row-major index) that holds each character of `sample.text`, then the end.

    A line break, and the end of the text, belong to the token where the line before them ends.
    """
    rows, columns = sample.image.shape[0] // TOKEN, sample.image.shape[1] // TOKEN
    path: list[NDArray[np.int64]] = []
    for line in sample.lines:
        x = np.append((line.edges[1:] + line.edges[:-1]) / 2, line.edges[-1] + 0.1 * line.height)
        y = np.append((line.y[1:] + line.y[:-1]) / 2, line.y[-1])
        column = np.clip(x // TOKEN, 0, columns - 1).astype(np.int64)
        row = np.clip(y // TOKEN, 0, rows - 1).astype(np.int64)
        path.append(row * columns + column)
    return np.concatenate(path) if path else np.zeros(1, dtype=np.int64)


def save_batch(path: Path, samples: list[Sample]) -> None:
    """Store samples of one size, whose lines are level, in one file."""
    lines = [
        [
            {
                "text": line.text,
                "edges": line.edges.round(1).tolist(),
                "y": round(float(line.y[0]), 1),
                "height": round(line.height, 1),
            }
            for line in sample.lines
        ]
        for sample in samples
    ]
    images = np.stack([sample.image for sample in samples])
    np.savez_compressed(path, images=images, lines=np.array(json.dumps(lines)))


def load_batch(path: Path) -> list[Sample]:
    """The samples that `save_batch` stored."""
    with np.load(path) as stored:
        images, found = stored["images"], json.loads(str(stored["lines"]))
    return [
        Sample(
            image,
            [
                Line(
                    line["text"],
                    np.array(line["edges"]),
                    np.full(len(line["edges"]), line["y"]),
                    line["height"],
                )
                for line in lines
            ],
        )
        for image, lines in zip(images, found, strict=True)
    ]
