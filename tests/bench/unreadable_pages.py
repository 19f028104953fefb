"""Whole pages that the bundled model cannot read: handwriting, other scripts, photos, and so on.

Handwriting is drawn with fonts that imitate it, as Debian has them: `fonts-dkg-handwriting`,
`fonts-breip`, `fonts-rufscript`. Real handwriting is harder.
"""

from __future__ import annotations

import random
import textwrap
from collections.abc import Iterator
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from unreadable import FONTS, OTHER_SCRIPTS, Picture

A4 = (1240, 1754)
"""At 150 dpi."""
HANDWRITING = ("dkg.ttf", "Breip.ttf", "Rufscript010.ttf")
PHOTOS = Path(matplotlib.get_data_path()) / "sample_data"


def pages(texts: list[str]) -> Iterator[Picture]:
    """The same in every run with the same fonts; `texts` are long and in Latin letters."""
    chance = random.Random(11)
    for name in HANDWRITING:
        for size in (34, 48, 64):
            try:
                font = ImageFont.truetype(name, size)
            except OSError:
                continue
            for text in chance.sample(texts, 2):
                yield _written("handwriting", text, font, 1000 * 2 // size)
    for script in OTHER_SCRIPTS:
        for name in FONTS:
            try:
                font = ImageFont.truetype(name, 30)
            except OSError:
                continue
            if font.getlength(script.splitlines()[0]) > 100:
                text = "\n".join([script] * 12)
                yield _written("another script", text, font, 0)
                break
    for name in ("grace_hopper.jpg", "Minduka_Present_Blue_Pack.png"):
        with Image.open(PHOTOS / name) as photo:
            whole = photo.convert("RGB").resize(A4)
            yield Picture("photo", whole, "")
            page = Image.new("RGB", A4, "white")
            page.paste(photo.convert("RGB").resize((900, 700)), (170, 300))
            yield Picture("photo", page, "")
    for level in (0, 128, 230, 255):
        yield Picture("blank", Image.new("L", A4, level), "")
    for strength in (20, 60, 120):
        yield Picture("noise", Image.effect_noise(A4, strength), "")
    for _ in range(4):
        page = Image.new("L", A4, 255)
        draw = ImageDraw.Draw(page)
        for _ in range(40):
            x, y = chance.randint(0, 1100), chance.randint(0, 1600)
            shape = chance.choice((draw.rectangle, draw.ellipse, draw.line))
            shape((x, y, x + chance.randint(10, 300), y + chance.randint(10, 300)), fill=0)
        yield Picture("shapes", page, "")
    for text in chance.sample(texts, 4):
        font = ImageFont.truetype("DejaVuSans.ttf", 30)
        sharp = _written("out of focus", text, font, 60)
        yield sharp._replace(image=sharp.image.filter(ImageFilter.GaussianBlur(6)))
        small = sharp.image.resize((A4[0] // 4, A4[1] // 4), Image.Resampling.BOX)
        yield Picture("type of 5 px", small.resize(A4), text)


def _written(kind: str, text: str, font: ImageFont.FreeTypeFont, width: int) -> Picture:
    """A page with this text, in lines of so many characters, or its own."""
    lines = textwrap.wrap(text, width) if width else text.splitlines()
    pitch = round(font.size * 1.5)
    lines = lines[: (A4[1] - 200) // pitch]
    page = Image.new("L", A4, 255)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw.text((100, 100 + number * pitch), line, 0, font)
    return Picture(kind, page, "\n".join(lines))
