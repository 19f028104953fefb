"""The Chinese characters of everyday print, and lines of them."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw

from training.fonts import FontPicker
from training.render import cached_font, finish
from training.samples import TOKEN, Line, Sample

FIRST, LAST = 0xB0A1, 0xD7F9
"""Codes of GB 2312's first level in its 8-bit form: 3,755 characters, ordered by sound."""
CHARACTERS = "".join(
    bytes((row, cell)).decode("gb2312")
    for row in range(FIRST >> 8, (LAST >> 8) + 1)
    for cell in range(0xA1, 0xFF)
    if (row << 8) + cell <= LAST
)
PUNCTUATION = "，。、；：？！“”‘’（）《》—…"

TRAINING_FAMILIES = (
    "Noto Sans CJK SC", "Noto Serif CJK SC", "WenQuanYi Zen Hei", "AR PL SungtiL GB",
    "TW-Sung", "TW-Kai", "LXGW WenKai",
)  # fmt: skip
HELD_OUT_FAMILIES = ("WenQuanYi Micro Hei", "AR PL UKai CN")
"""None has its outlines from a family that is trained on (AR PL UMing has SungtiL's)."""
DEBIAN_PACKAGES = (
    "fonts-noto-cjk", "fonts-noto-cjk-extra", "fonts-wqy-zenhei", "fonts-wqy-microhei",
    "fonts-arphic-gbsn00lp", "fonts-arphic-ukai", "fonts-cns11643-sung", "fonts-cns11643-kai",
    "fonts-lxgw-wenkai",
)  # fmt: skip
SIZES = (18.0, 40.0)
"""Pixels of type: a character is as wide as its type is high, so it covers one to three tokens."""


def font_picker(families: tuple[str, ...]) -> FontPicker:
    """Faces of Chinese families."""
    return FontPicker(families, CHARACTERS + PUNCTUATION, DEBIAN_PACKAGES)


def random_text(rng: random.Random, length: int) -> str:
    """Characters each as likely as the others, with some punctuation: nothing can be guessed."""
    return "".join(
        rng.choice(PUNCTUATION) if rng.random() < 0.08 else rng.choice(CHARACTERS)
        for _ in range(length)
    )


def draw_lines(
    rng: random.Random, fonts: FontPicker, rows: int, columns: int, *, strength: float
) -> Sample:
    """Lines of characters that fill an image of `rows` × `columns` visual tokens."""
    width, height = columns * TOKEN, rows * TOKEN
    size = min(rng.uniform(*SIZES), height * 0.75)
    face = fonts.pick(rng, "")
    font = cached_font(face, round(size * 2) / 2)
    paper, ink = rng.randint(200, 255), rng.randint(0, 90)
    if rng.random() < 0.2:
        paper, ink = 255 - paper, 255 - ink
    canvas = Image.new("L", (width, height), paper)
    draw = ImageDraw.Draw(canvas)
    margin = rng.uniform(0.1, 0.6) * size
    baseline = margin + 0.88 * size
    pitch = rng.uniform(1.15, 1.7) * size
    lines: list[Line] = []
    while baseline + 0.15 * size <= height:
        count = max(1, int((width - 2 * margin) / font.font.getlength("国")))
        text = "".join(c for c in random_text(rng, count) if face.can_draw(c))
        y = round(baseline)
        draw.text((margin, y), text, font=font.font, fill=ink, anchor="ls")
        middle = np.full(len(text) + 1, y - 0.38 * size)
        lines.append(Line(text, margin + font.edges(text), middle, size))
        baseline += pitch
    return finish(rng, canvas, lines, width, height, size, strength)
