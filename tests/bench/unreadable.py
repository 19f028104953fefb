"""Pictures that the bundled model cannot read, made from the blocks of text that it can.

Turned, shrunk, in another script, with a layout that is more than one block, or without any text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from qwen_ocr_tools.evaluation.dataset import Sample

OTHER_SCRIPTS = (
    "Η επιτροπή ανέβαλε την ψηφοφορία της\nεπειδή τα ποσά δεν συμφωνούσαν.",
    "Комитет отложил голосование, потому что\nцифры за март не сходились.",
    "Չորս շաբաթ անց գնացքը վերջապես\nհասավ գետի մյուս ափը։",
    "კომიტეტმა კენჭისყრა გადადო, რადგან\nმარტის მონაცემები არ ემთხვეოდა.",
    "لجنة الميزانية أجلت التصويت لأن\nالأرقام لم تكن صحيحة",
    "위원회는 투표를 연기했습니다.\n3월의 숫자가 맞지 않았기 때문입니다.",
    "会議は来週に延期されました。\n資料は受付にあります。",
)
FONTS = ("NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc", "DejaVuSans.ttf")
"""The first that is installed and has the script draws it."""


class Picture(NamedTuple):
    """A picture and its text in reading order; empty where it has none."""

    kind: str
    image: Image.Image
    text: str


def pictures(samples: list[Sample]) -> Iterator[Picture]:
    """About 150 of them, the same in every run with the same fonts."""
    chance = random.Random(7)
    blocks = [(Image.open(s.path).convert("L"), s.text or "") for s in samples]
    for image, text in blocks[::7]:
        yield Picture("turned by 90°", image.transpose(Image.Transpose.ROTATE_90), text)
        yield Picture("upside down", image.transpose(Image.Transpose.ROTATE_180), text)
        yield Picture("turned by 270°", image.transpose(Image.Transpose.ROTATE_270), text)
        yield Picture("a third of its size", image.resize(_third(image.size)), text)
    long = [(image, text) for image, text in blocks if text.count("\n") > 1]
    yield from (_columns(*chance.sample(long, 2)) for _ in range(12))
    yield from (_table(chance) for _ in range(12))
    yield from _scripts()
    for level in (0, 20, 128, 230, 255):
        yield Picture("blank", Image.new("L", (500, 200), level), "")
        yield Picture("noise", _noise(chance, level), "")
        yield Picture("shapes", _shapes(chance), "")
    yield Picture("gradient", Image.linear_gradient("L").resize((500, 300)), "")
    yield Picture("gradient", Image.radial_gradient("L").resize((500, 300)), "")


def _third(size: tuple[int, int]) -> tuple[int, int]:
    return max(1, size[0] // 3), max(1, size[1] // 3)


def _columns(left: tuple[Image.Image, str], right: tuple[Image.Image, str]) -> Picture:
    images = [left[0], right[0]]
    both = Image.new("L", (sum(i.width for i in images) + 30, max(i.height for i in images)), 255)
    both.paste(images[0], (0, 0))
    both.paste(images[1], (images[0].width + 30, 0))
    # More than the model takes would be refused, not misread.
    shrink = min(1.0, (500_000 / (both.width * both.height)) ** 0.5)
    both = both.resize((int(both.width * shrink), int(both.height * shrink)))
    return Picture("two columns", both, f"{left[1]}\n{right[1]}")


def _table(chance: random.Random) -> Picture:
    """Ruled cells, columns far apart, as in a price list."""
    heads = ("Item", "Quantity", "Price", "Tax", "Sum", "Stock", "Code")
    columns, rows = chance.randint(4, 7), chance.randint(5, 9)
    cells = [list(heads[:columns])]
    cells += [
        [f"{chance.randint(1, 9999)}{chance.choice(['', '.50', '%'])}" for _ in range(columns)]
        for _ in range(rows)
    ]
    image = Image.new("L", (110 * columns + 1, 36 * (rows + 1) + 1), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(18)
    for y, row in enumerate(cells):
        for x, cell in enumerate(row):
            draw.rectangle((110 * x, 36 * y, 110 * (x + 1), 36 * (y + 1)), outline=0)
            draw.text((110 * x + 8, 36 * y + 8), cell, 0, font)
    return Picture("table", image, "\n".join(" ".join(row) for row in cells))


def _scripts() -> Iterator[Picture]:
    fonts = []
    for name in FONTS:
        try:
            fonts.append(ImageFont.truetype(name, 26))
        except OSError:
            continue
    for text in OTHER_SCRIPTS:
        font = next((font for font in fonts if _has(font, text)), None)
        if font is not None:
            image = Image.new("L", (760, 100), 255)
            ImageDraw.Draw(image).text((12, 12), text, 0, font)
            yield Picture("another script", image, text)


def _has(font: ImageFont.FreeTypeFont, text: str) -> bool:
    """Whether the font draws each character: one that it lacks looks like any other it lacks."""
    missing = font.getmask("\U000f0000").getbbox(), bytes(font.getmask("\U000f0000"))
    return all(
        (font.getmask(c).getbbox(), bytes(font.getmask(c))) != missing for c in text if c.isalpha()
    )


def _noise(chance: random.Random, level: int) -> Image.Image:
    size = (400, 160)
    return Image.frombytes("L", size, chance.randbytes(size[0] * size[1])).point(
        lambda value: value if level < 128 else 255 * (value > level)
    )


def _shapes(chance: random.Random) -> Image.Image:
    image = Image.new("L", (480, 240), 255)
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = chance.randint(0, 400), chance.randint(0, 180)
        draw_one = chance.choice((draw.rectangle, draw.ellipse, draw.line))
        draw_one((x, y, x + chance.randint(10, 80), y + chance.randint(10, 60)), fill=0)
    return image
