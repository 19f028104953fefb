"""Draw text blocks with Pillow, and say where every character stands.

An image is grey: the exported patch embedding weighs the colour channels by luminance, so a colour
image looks to the model as its grey version does. Positions are in pixels of the final image.
"""

from __future__ import annotations

import io
import math
import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from training.fonts import Face
from training.samples import MINI, TOKEN, Line, Sample, fit, transform
from training.scripts import Script
from training.text import TextSource

MISFITS = 20  # attempts at a line of text before a block is left as it is


class Font:
    """A face at one size, with cached advance widths."""

    def __init__(self, face: Face, size: float) -> None:
        self.font = ImageFont.truetype(face.path, size, index=face.index)
        self.size = size
        self._widths: dict[str, float] = {}

    def edges(self, text: str) -> NDArray[np.float64]:
        """x of the character boundaries, from 0: advances scaled to the shaped line's width."""
        for character in set(text) - self._widths.keys():
            self._widths[character] = self.font.getlength(character)
        edges = np.cumsum([0.0] + [self._widths[character] for character in text], dtype=np.float64)
        edges *= self.font.getlength(text) / max(edges[-1], 1e-6)
        return edges


@lru_cache(maxsize=600)
def cached_font(face: Face, size: float) -> Font:
    return Font(face, size)


def _fill_line(source: TextSource, font: Font, room: float, stop: float) -> str:
    """Words that fit into `room` px; ends early with probability `stop` after each word."""
    words: list[str] = []
    misfits = 0
    while misfits < 4:
        token = source.token()
        if font.font.getlength(source.join([*words, token])) > room:
            misfits += 1
            continue
        words.append(token)
        if source.rng.random() < stop:
            break
    return source.join(words).strip()


def _two_columns(source: TextSource, font: Font, room: float) -> tuple[str, str] | None:
    for _ in range(6):
        left, right = source.label(), source.value()
        if font.font.getlength(left + right) + font.size < room:
            return left, right
    return None


@dataclass
class _Layout:
    """The choices that hold for one whole image."""

    script: Script
    font: Font
    face: Face
    pitch: float
    left: float
    right: float
    kind: str  # prose, ragged, columns
    stop: float


def _draw_lines(
    rng: random.Random,
    canvas: Image.Image,
    layout: _Layout,
    ink: int,
    max_lines: int,
) -> list[Line]:
    draw = ImageDraw.Draw(canvas)
    source = layout.script.source(rng)
    font, room = layout.font, layout.right - layout.left
    baseline = rng.uniform(0.85, 1.4) * font.size
    slack = canvas.height - baseline - 0.3 * font.size
    if max_lines == 1 and slack > 0:
        baseline += rng.uniform(0, slack)
    lines: list[Line] = []
    misfits = 0  # lines in a row that are too wide, or that the face has no glyphs for
    while (
        baseline + 0.28 * font.size < canvas.height and len(lines) < max_lines and misfits < MISFITS
    ):
        misfits += 1
        indent = 0.0
        columns = _two_columns(source, font, room) if layout.kind == "columns" else None
        y = round(baseline)
        if columns is not None and rng.random() < 0.85:
            left, right = columns
            x_right = layout.right - font.font.getlength(right)
            if rng.random() < 0.3:
                x_right = min(x_right, layout.left + rng.uniform(0.4, 0.6) * room)
                x_right = max(x_right, layout.left + font.font.getlength(left) + 0.5 * font.size)
            text = f"{left} {right}"
            edges = np.concatenate([layout.left + font.edges(left), x_right + font.edges(right)])
            parts = [(layout.left, left), (x_right, right)]
        else:
            text = _fill_line(source, font, room, layout.stop)
            edges = font.edges(text)
            if layout.kind == "ragged":
                indent = rng.choice((0.0, 0.5, 1.0)) * max(0.0, room - edges[-1])
            edges = layout.left + indent + edges
            parts = [(layout.left + indent, text)]
        if text and layout.face.can_draw(text):
            misfits = 0
            for x, part in parts:
                draw.text((x, y), part, font=font.font, fill=ink, anchor="ls")
            middle = np.full(len(text) + 1, y - layout.script.middle * font.size)
            lines.append(Line(text, edges, middle, 0.95 * font.size))
            if layout.kind == "columns" and rng.random() < 0.1:
                rule = y + round(0.35 * font.size)
                draw.line((layout.left, rule, layout.right, rule), fill=ink, width=1)
            baseline += layout.pitch * (rng.uniform(1.2, 2) if rng.random() < 0.06 else 1)
    return lines


def _shade(rng: random.Random, image: NDArray[np.float32]) -> None:
    """Add a gradient or a soft shadow, in place."""
    height, width = image.shape
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    ramp = x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1)
    if rng.random() < 0.5:
        ramp = np.tanh(ramp * rng.uniform(2, 6))
    image *= 1 - rng.uniform(0.05, 0.25) * (1 + ramp) / 2


def degrade(rng: random.Random, image: Image.Image, size: float, strength: float) -> Image.Image:
    """Blur, low resolution, noise, shade and JPEG, each with a small probability."""
    if rng.random() < 0.25 * strength:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.03 * size + 0.25)))
    if rng.random() < 0.2 * strength and size > 16:
        factor = rng.uniform(max(0.45, 12 / size), 1.0)
        small = (round(image.width * factor) or 1, round(image.height * factor) or 1)
        image = image.resize(small, Image.Resampling.BICUBIC).resize(
            image.size, Image.Resampling.BICUBIC
        )
    pixels = np.asarray(image, dtype=np.float32).copy()
    if rng.random() < 0.2 * strength:
        _shade(rng, pixels)
    if rng.random() < 0.3 * strength:
        generator = np.random.default_rng(rng.randrange(2**32))
        deviation = rng.uniform(1, 12)
        pixels += generator.standard_normal(pixels.shape, dtype=np.float32) * deviation
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    if rng.random() < 0.3 * strength:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=rng.randint(30, 92))
        image = Image.open(buffer).convert("L")
    return image


def _picture(rng: random.Random, canvas: Image.Image) -> None:
    """Shapes that are not text."""
    draw = ImageDraw.Draw(canvas)
    for _ in range(rng.randint(0, 6)):
        box = sorted(rng.uniform(0, canvas.width) for _ in range(2))
        rows = sorted(rng.uniform(0, canvas.height) for _ in range(2))
        corners = (box[0], rows[0], box[1], rows[1])
        rng.choice((draw.ellipse, draw.rectangle))(corners, fill=rng.randrange(256))


def render(
    rng: random.Random, script: Script, width: int, height: int, size: float, *, strength: float
) -> Sample:
    """A random block of text that fills a `width` × `height` px image (multiples of `TOKEN`).

    The canvas is up to half a token larger or smaller and then resized to what the processor makes
    of an image of that size. `size` is the type size on the canvas in px; `strength` scales the
    probability of noise, blur and rotation.
    """
    canvas_size = [
        max(8, side + rng.randint(-TOKEN // 2, TOKEN // 2 - 1)) for side in (width, height)
    ]
    paper, ink = rng.randint(200, 255), rng.randint(0, 80)
    if rng.random() < 0.25:
        paper = rng.choice((255, rng.randint(120, 255)))
        ink = max(0, paper - rng.randint(70, 255))
    if rng.random() < 0.25:
        paper, ink = 255 - paper, 255 - ink
    canvas = Image.new("L", (canvas_size[0], canvas_size[1]), paper)
    lines: list[Line] = []
    if rng.random() < 0.015:
        _picture(rng, canvas)
    else:
        size = min(round(size * 2) / 2, canvas.height / 1.3)
        face = script.fonts.pick(rng, "")
        margin = rng.uniform(0.1, 1.5) * size
        layout = _Layout(
            script=script,
            font=cached_font(face, max(8.0, size)),
            face=face,
            pitch=size * rng.uniform(script.tightest, rng.choice((1.3, 1.7))),
            left=min(margin, canvas.width / 6),
            right=canvas.width - min(rng.uniform(0.1, 1.0) * size, canvas.width / 8),
            kind=rng.choices(("prose", "ragged", "columns"), (0.48, 0.1, 0.42))[0],
            stop=rng.choice((0.0, 0.0, 0.01, 0.1)),
        )
        limit = rng.choices((1, 2, 99), (0.03, 0.03, 0.94))[0]
        lines = _draw_lines(rng, canvas, layout, ink, limit)
    return finish(rng, canvas, lines, width, height, size * script.detail, strength)


def finish(
    rng: random.Random,
    canvas: Image.Image,
    lines: list[Line],
    width: int,
    height: int,
    size: float,
    strength: float,
) -> Sample:
    """Rotate and degrade a grey `canvas` with type of `size` px, and resize it, lines included.

    `width` and `height` are the canvas's own in px, rounded to multiples of `TOKEN`; the processor
    enlarges an image that is small in both.
    """
    if rng.random() < 0.3 * strength:
        angle = math.radians(rng.uniform(-1.5, 1.5))
        cos, sin = math.cos(angle), math.sin(angle)
        cx, cy = canvas.width / 2, canvas.height / 2
        matrix = np.array(
            [[cos, sin, cx - cos * cx - sin * cy], [-sin, cos, cy + sin * cx - cos * cy]]
        )
        paper = canvas.getpixel((0, 0))
        canvas = canvas.rotate(math.degrees(angle), Image.Resampling.BICUBIC, fillcolor=paper)
        lines = [transform(line, matrix) for line in lines]
    return fit(degrade(rng, canvas, size, strength), lines, *MINI.resized((width, height)))
