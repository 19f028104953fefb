"""Pages, and parts of pages, drawn with Pillow as scanners and screens show them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.fonts import Face
from training.render import Font, cached_font, degrade
from training.samples import Line, transform
from training.scripts import Script
from training.text import TextSource

WIDTHS = (500, 1600)
"""Pixels of a page; its type says how many characters that is."""
TYPE = (14.0, 44.0)
"""Size of type in pixels: 10 point at 100 dpi, 10 point at 300."""
BLOCKS = 6
MARKS = "•–-*—"


@dataclass
class _Block:
    """Lines of one kind in one face, whose place and size it says."""

    script: Script
    source: TextSource
    face: Face
    font: Font
    left: float
    right: float
    ink: int

    def width(self, text: str) -> float:
        """Pixels of a text set in it."""
        return float(self.font.font.getlength(text))


Parts = list[tuple[float, str]]
"""The texts of a line, each at its x."""


def _words(block: _Block, room: float) -> list[str]:
    words: list[str] = []
    misfits = 0
    while misfits < 3:
        token = block.source.token()
        if block.width(block.source.join([*words, token])) <= room:
            words.append(token)
        else:
            misfits += 1
    return words


def _prose(rng: random.Random, block: _Block) -> Parts:
    """A line of running text, to the right edge or ending before it."""
    room = block.right - block.left
    words = _words(block, room * rng.choice((1, 1, 1, 1, 1, rng.uniform(0.1, 1))))
    return [(block.left, block.source.join(words))]


def _justified(rng: random.Random, block: _Block) -> Parts:
    """A line whose words are spread from edge to edge."""
    room = block.right - block.left
    words = block.source.join(_words(block, room)).split(" ")
    widths = [block.width(word) for word in words]
    if len(words) < 2 or sum(widths) < 0.6 * room:
        return _prose(rng, block)
    gap = (room - sum(widths)) / (len(words) - 1)
    lefts = block.left + np.cumsum([0.0, *(width + gap for width in widths[:-1])])
    return list(zip(lefts.tolist(), words, strict=True))


def _middle(rng: random.Random, block: _Block) -> Parts:
    """A heading, a page number or a caption, in the middle or at an edge."""
    source = block.source
    kind = rng.random()
    if kind < 0.3:
        text = rng.choice((str(rng.randrange(400)), f"– {rng.randrange(99)} –", source.number()))
    else:
        words = _words(block, (block.right - block.left) * rng.uniform(0.1, 0.9))
        text = block.source.join(words)
        text = text[:1].upper() + text[1:]
    place = rng.choice((0.0, 0.5, 0.5, 1.0))
    return [(block.left + place * max(0.0, block.right - block.left - block.width(text)), text)]


def _item(rng: random.Random, block: _Block) -> Parts:
    """An item of a list, with its mark."""
    mark = rng.choice((*MARKS, f"{rng.randint(1, 30)}.", f"{rng.choice('abcdeivx')})"))
    indent = max(block.width(mark + " "), rng.uniform(0.8, 2) * block.font.size)
    words = _words(block, (block.right - block.left - indent) * rng.uniform(0.2, 1))
    return [(block.left, mark), (block.left + indent, block.source.join(words))]


def _cells(rng: random.Random, block: _Block) -> Parts:
    """A row of a table, a form or a receipt: cells at steps of the width, the last at the right."""
    source = block.source
    count = rng.choice((2, 2, 2, 3, 4, 5))
    step = (block.right - block.left) / count
    parts: Parts = []
    for number in range(count):
        left = block.left + number * step
        text = source.label() if number == 0 else source.value()
        if rng.random() < 0.3:
            text = source.number()
        if number and (number == count - 1 or rng.random() < 0.4):
            left += step - block.width(text) - (0 if number == count - 1 else 0.5 * step)
        end = parts[-1][0] + block.width(parts[-1][1]) if parts else -math.inf
        if left > end + 0.3 * block.font.size and left + block.width(text) <= block.right:
            parts.append((left, text))
    return parts


KINDS = (_prose, _prose, _justified, _justified, _middle, _item, _cells, _cells)


def _line(block: _Block, parts: Parts, baseline: int) -> Line:
    edges = np.concatenate([x + block.font.edges(text) for x, text in parts])
    return Line(
        text=" ".join(text for _, text in parts),
        edges=np.maximum.accumulate(edges),
        y=np.full(len(edges), baseline - block.script.middle * block.font.size),
        height=0.95 * block.font.size,
    )


def _draw_block(
    rng: random.Random, canvas: Image.Image, block: _Block, top: float
) -> tuple[list[Line], float]:
    """Draws lines from `top` on; returns them and where the next block may begin."""
    draw = ImageDraw.Draw(canvas)
    size = block.font.size
    kind = rng.choice(KINDS)
    pitch = size * rng.uniform(block.script.tightest, 1.6)
    count = 1 if kind is _middle else rng.randint(1, 8)
    ruled = rng.random() < 0.12
    boxed = rng.random() < 0.06
    baseline = top + size
    lines: list[Line] = []
    for _ in range(count):
        if baseline + 0.3 * size > canvas.height:
            break
        parts = [(x, text) for x, text in kind(rng, block) if text]
        if not parts or not block.face.can_draw("".join(text for _, text in parts)):
            continue
        y = round(baseline)
        for x, text in parts:
            draw.text((x, y), text, font=block.font.font, fill=block.ink, anchor="ls")
        lines.append(_line(block, parts, y))
        if ruled:
            rule = y + round(rng.uniform(0.25, 0.45) * size)
            draw.line((block.left, rule, block.right, rule), fill=block.ink, width=1)
        if boxed:
            box = (block.left - 6, y - 1.1 * size, block.right + 6, y + 0.4 * size)
            draw.rectangle(box, outline=block.ink, width=rng.randint(1, 2))
            baseline += 0.5 * size
        baseline += pitch
    return lines, baseline - size + rng.uniform(0.2, 1.5) * size


def draw_page(
    rng: random.Random, script: Script, *, strength: float
) -> tuple[NDArray[np.uint8], list[Line]]:
    """A part of a page, in grey, and its lines; nearly level, as the server has made it."""
    low, high = TYPE
    size = math.exp(rng.uniform(math.log(low), math.log(high)))
    width = round(min(WIDTHS[1], max(WIDTHS[0], size * rng.uniform(15, 55))))
    height = round(min(1400, max(500, size * rng.uniform(14, 26))))
    paper, ink = rng.randint(205, 255), rng.randint(0, 70)
    if rng.random() < 0.2:
        ink = max(0, paper - rng.randint(80, 255))
    if rng.random() < 0.15:
        paper, ink = 255 - paper, 255 - ink
    canvas = Image.new("L", (width, height), paper)
    edge = rng.uniform(0.3, 3) * size
    lines: list[Line] = []
    top = rng.uniform(0.3, 2) * size
    face = script.fonts.pick(rng, "")
    while top + 1.5 * size < height:
        if rng.random() < 0.25:
            face = script.fonts.pick(rng, "")
        part = size * rng.choice((1, 1, 1, 1, 0.8, 1.25, 1.6, 2))
        font = cached_font(face, round(max(low, min(part, high)) * 2) / 2)
        block = _Block(script, script.source(rng), face, font, edge, width - edge, ink)
        drawn, top = _draw_block(rng, canvas, block, top)
        lines += drawn
    angle = rng.gauss(0, 0.12) * strength
    canvas, lines = _turn(canvas, lines, angle)
    return scan(rng, canvas, size * script.detail, strength), lines


def _turn(canvas: Image.Image, lines: list[Line], degrees: float) -> tuple[Image.Image, list[Line]]:
    """A little askew, as a page is whose skew was measured and corrected."""
    if abs(degrees) < 0.02:
        return canvas, lines
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = canvas.width / 2, canvas.height / 2
    matrix = np.array([[cos, sin, x - cos * x - sin * y], [-sin, cos, y + sin * x - cos * y]])
    turned = canvas.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=canvas.getpixel((0, 0)))
    return turned, [transform(line, matrix) for line in lines]


def scan(
    rng: random.Random, canvas: Image.Image, size: float, strength: float
) -> NDArray[np.uint8]:
    """One bit, or grey with what scanners, cameras and JPEG do to it."""
    if rng.random() < 0.2 * strength and size > 20:
        level = rng.uniform(0.35, 0.65)
        pixels = np.asarray(canvas, dtype=np.float64)
        limit = pixels.min() + level * np.ptp(pixels)
        return np.where(pixels > limit, 255, 0).astype(np.uint8)
    if rng.random() < 0.15 * strength:  # what is printed on the other side
        behind = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        canvas = Image.blend(canvas, behind, rng.uniform(0.02, 0.12))
    return np.asarray(degrade(rng, canvas, size, strength))
