"""Make the evaluation set: `python -m training.evaluation tests/evaluation`, and in the same way,
with `--per-kind 1 --seed samples`, the sample images in `tests/samples`.

Text blocks that a web browser draws in font families that training never saw, with text that it
never saw: sentences written for this set, and names, goods and codes of its own. Running it again
gives the same texts; pixels may differ with the versions of the browser and of the fonts.
"""

from __future__ import annotations

import argparse
import html
import io
import json
import random
import string
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from playwright.sync_api import Page

from training.browser import Block, browser_page, draw
from training.fonts import HELD_OUT_FAMILIES

KINDS = ("line", "paragraph", "receipt", "form", "dark", "small", "degraded")

SENTENCES = (
    "The ferry to the island leaves at a quarter past six and takes just under two hours.",
    "Nobody had told the new archivist that the cellar floods whenever it rains for a week.",
    "Please return the signed copy, and keep the other one for your own records.",
    "Her grandfather repaired clocks; he claimed to hear which wheel was worn.",
    "We counted forty-one herons along the canal, eleven more than last spring.",
    "Deliveries are accepted at gate B between 7:30 and 15:45, except on public holidays.",
    "The committee postponed its vote because the figures for March did not add up.",
    "If the lamp blinks twice, switch the pump off and wait until the pressure falls.",
    "Two of the witnesses remembered a green van; the third was certain it had been grey.",
    "Bread, olives and a little cheese were all that was left in the hut.",
    "An earlier version of this leaflet gave the wrong address for the clinic.",
    "He paid $18.40 for the ticket, lost it, and paid again.",
    "The museum's oldest map shows a river where the station now stands.",
    "Ask for Ms. Okafor in room 214 (second floor, left of the stairs).",
    "It was, as the pilot said afterwards, \u201ca perfectly ordinary landing\u201d.",
    "Store below 25 °C, away from direct sunlight, and use within 30 days of opening.",
    "Why would anyone bury a piano? The village still argues about it.",
    "Rainfall over the basin rose by 12.5% between 1987 and 2004.",
    "The glue must dry overnight – do not move the frame before morning.",
    "Each volunteer receives a badge, a whistle and a map of the course.",
    "Our orchard supplies pears, quinces & plums to nine shops in the valley.",
    "She wrote the whole opera in a kitchen, mostly between midnight and four.",
    "Invoices older than 90 days are passed to the legal department.",
    "The last tram had gone, so they walked home along the embankment, singing.",
)
PEOPLE = (
    "Ingrid Solheim", "Tomasz Wilk", "Aoife Brennan", "Rafael Quintana", "Noor Haddad",
    "Jürgen Pfister", "Céline Aubry", "Kwame Boateng", "Mirela Popescu", "Hugh Whitlock",
)  # fmt: skip
GOODS = (
    "Oat milk 1L", "Rye bread", "Tomatoes", "Basmati rice", "Dish soap", "AA batteries",
    "Notebook A5",
    "Espresso", "Bus pass", "Goat cheese", "Olive oil 0.5L", "Light bulb E27", "Apples Gala",
    "Pasta", "Shampoo", "Green tea", "Tape 19mm", "Salted butter", "Kiwi 6 pcs", "Printer ink",
)  # fmt: skip
SHOPS = ("MARKET LANE 14", "Bäckerei Rosental", "Corner & Sons", "HOTEL AURORA", "Café Lumière")
STREETS = ("Mill Road", "Kastanienallee", "Rue des Tanneurs", "Calle Mayor", "Harbour View")


def _paragraph(rng: random.Random, sentences: int) -> str:
    return " ".join(rng.sample(SENTENCES, sentences))


def _code(rng: random.Random, length: int) -> str:
    return "".join(rng.choices(string.ascii_uppercase + string.digits, k=length))


def _rows(pairs: list[tuple[str, str]]) -> str:
    return "".join(
        f'<div class="row"><span>{html.escape(left)}</span><span>{html.escape(right)}</span></div>'
        for left, right in pairs
    )


def _receipt(rng: random.Random) -> str:
    prices = [rng.randint(45, 2999) / 100 for _ in range(rng.randint(3, 6))]
    goods = rng.sample(GOODS, len(prices))
    total = f"{sum(prices):.2f}"
    head = f"{rng.choice(SHOPS)}<br>{rng.randint(1, 28):02d}.{rng.randint(1, 12):02d}.2031 "
    head += f"{rng.randint(7, 21):02d}:{rng.randint(0, 59):02d}"
    pairs = [(name, f"{price:.2f}") for name, price in zip(goods, prices, strict=True)]
    pairs += [("TOTAL", rng.choice("€$£") + total), ("VAT 19%", f"{sum(prices) * 0.19 / 1.19:.2f}")]
    return f"<div>{head}</div>{_rows(pairs)}<div>Receipt no. {_code(rng, 9)}</div>"


def _form(rng: random.Random) -> str:
    name = rng.choice(PEOPLE)
    mail = name.lower().replace(" ", ".").translate(str.maketrans("üé", "ue"))
    pairs = [
        ("Name:", name),
        (
            "Phone:",
            f"+{rng.randint(20, 99)} {rng.randint(100, 999)} {rng.randint(10**5, 10**6 - 1)}",
        ),
        (
            "E-mail:",
            f"{mail}@{rng.choice(('posta', 'northmail', 'uni-ost'))}.{rng.choice(('eu', 'org'))}",
        ),
        ("Address:", f"{rng.randint(1, 180)} {rng.choice(STREETS)}"),
        ("Customer ID:", f"{_code(rng, 4)}-{_code(rng, 4)}"),
        (
            "Date of birth:",
            f"{rng.randint(1940, 2009)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
        ),
        ("IBAN:", f"XX{rng.randint(10, 99)} {rng.randint(1000, 9999)} {rng.randint(1000, 9999)}"),
    ]
    return _rows(sorted(rng.sample(pairs, rng.randint(4, 6)), key=pairs.index))


def _block(rng: random.Random, kind: str) -> Block:
    size = rng.randint(13, 15) if kind == "small" else rng.randint(17, 30)
    ink, paper = rng.choice((("#111", "#fff"), ("#203040", "#f4f1e6"), ("#402010", "#fdf8f0")))
    if kind == "dark":
        ink, paper = rng.choice(
            (("#f0f0f0", "#181818"), ("#ffe9b0", "#14304a"), ("#dff5e0", "#24402c"))
        )
    if kind == "line":
        body, width = html.escape(rng.choice(SENTENCES)[: rng.randint(20, 44)].strip()), 46 * size
    elif kind == "receipt":
        body, width = _receipt(rng), rng.randint(16, 20) * size
    elif kind == "form":
        body, width = _form(rng), rng.randint(22, 28) * size
    else:
        body, width = html.escape(_paragraph(rng, rng.randint(1, 3))), rng.randint(20, 30) * size
    css = (
        f"font-family:'{rng.choice(HELD_OUT_FAMILIES)}';font-size:{size}px;color:{ink};"
        f"background:{paper};line-height:{rng.uniform(1.2, 1.6):.2f};"
        f"padding:{rng.uniform(0.3, 1):.2f}em;font-weight:{rng.choice((400, 400, 400, 700))}"
        + (";width:max-content" if kind == "line" else "")
    )
    return Block(body, css, width)


def _degrade(rng: random.Random, image: Image.Image) -> Image.Image:
    """Slight rotation, blur, noise and JPEG, as a careful scan has them."""
    corner = image.getpixel((0, 0))
    image = image.rotate(
        rng.uniform(-1.2, 1.2), Image.Resampling.BICUBIC, expand=True, fillcolor=corner
    )
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.7)))
    noise = np.random.default_rng(rng.randrange(2**32)).normal(
        0, rng.uniform(2, 7), (image.height, image.width, 1)
    )
    image = Image.fromarray(
        (np.asarray(image, dtype=np.float64) + noise).clip(0, 255).astype(np.uint8)
    )
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=rng.randint(55, 85))
    return Image.open(buffer)


def write_set(
    page: Page,
    folder: Path,
    kinds: Iterable[str],
    block: Callable[[random.Random, str], Block],
    per_kind: int,
    seed: str,
) -> None:
    """Draw `per_kind` blocks of each kind into `folder`, with their texts in `truth.jsonl`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for kind in kinds:
        rng = random.Random(f"{seed} {kind}")
        blocks = [block(rng, kind) for _ in range(per_kind)]
        for number, (image, lines) in enumerate(draw(page, blocks)):
            name = kind if per_kind == 1 else f"{kind}-{number:02d}"
            name += ".jpg" if kind == "degraded" else ".png"
            if kind == "degraded":
                _degrade(rng, image).save(folder / name, "JPEG", quality=90)
            else:
                image.save(folder / name, optimize=True)
            rows.append(
                {"file": name, "kind": kind, "text": "\n".join(line.text for line in lines)}
            )
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "truth.jsonl").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-kind", type=int, default=20, help="images of each kind")
    parser.add_argument("--seed", default="evaluation")
    options = parser.parse_args()
    with browser_page() as page:
        write_set(page, options.folder, KINDS, _block, options.per_kind, options.seed)


if __name__ == "__main__":
    main()
