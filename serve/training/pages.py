"""Make the set of whole pages: `python -m training.pages tests/evaluation/pages`.

A web browser draws letters, articles of two and three columns, invoices, forms, pages of books,
notes and dark screens, in font families that training never saw and with text that it never saw,
at 150 to 300 dots per inch. Then they are made to look scanned: 1 bit, noisy, skewed or turned.
Running it again gives the same texts; pixels may differ with the browser's and the fonts' versions.
"""

from __future__ import annotations

import argparse
import html
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from training.browser import CHROMIUM
from training.evaluation import GOODS, PEOPLE, SENTENCES, SHOPS, STREETS
from training.fonts import HELD_OUT_FAMILIES

WIDTH, HEIGHT = 794, 1123
"""A4 in CSS pixels, of which 96 are an inch."""
MORE_SENTENCES = (
    "The reservoir had not been this low since the dam was repaired eleven years ago.",
    "A second coat of varnish hides the scratches, but it also darkens the grain.",
    "Passengers for the northern line change at the next stop and follow the yellow signs.",
    "Between the two wars the factory made umbrellas, lamps and, for one winter, skis.",
    "Any change of address has to reach our office within fourteen days.",
    "The recipe asks for six eggs; four are enough if they are large.",
    "Its bark is used by the islanders to dye nets, sails and the hems of coats.",
    "Nothing in this section limits the rights that the tenant has under the law.",
    "By noon the fog had lifted, and the lighthouse keeper could count the boats again.",
    "Children under seven travel free of charge when an adult is with them.",
    "The survey was sent to 1,250 households, of which 873 answered in time.",
    "His notebooks describe the comet, the weather and the price of candles.",
    "Turn the valve slowly until the needle points to 2.5 bar.",
    "What the photograph does not show is the crowd that waited outside the gates.",
    "Every third window of the old mill had been bricked up to save on the tax.",
    "The choir rehearses on Tuesdays at 19:00 in the hall behind the library.",
    "Cut the roots back by a third before you plant the tree in its new place.",
    "In the end the bridge cost twice as much, and it opened a year late.",
    "The parcel weighed 4.2 kg and was insured for $350.",
    "Someone had written the same three words on every page of the guest book.",
    "A good map of the caves was not printed until the summer of 1962.",
    "The interest is paid on the last working day of each quarter.",
    "Whoever finds the key is asked to hand it in at the ticket office.",
    "Swallows nested under the roof of the station, above platform nine.",
)
TITLES = (
    "Minutes of the spring meeting", "A winter on the canal", "Rules for the new workshop",
    "How the orchard was saved", "The clockmaker's notebook", "Water, wind and stone",
    "Notes on the northern line", "What the survey found", "Repairs to the old mill",
)  # fmt: skip

_TEXT = """
() => {
  const lines = [];
  for (const row of document.querySelectorAll('[data-line], p, h1, h2, li, td.cell, tr, .row'))
    if (!row.querySelector('[data-line], p, h1, h2, li, tr, .row'))
      lines.push([...(row.children.length && row.matches('tr, .row') ? row.children : [row])]
        .map(part => part.innerText.trim()).join(' ').trim());
  return lines.filter(line => line);
}
"""
_CSS = """
body { margin: 0; } .page { box-sizing: border-box; width: 794px; height: 1123px; overflow: hidden;
padding: 64px 72px; } h1 { font-size: 1.7em; margin: 0 0 .6em; } h2 { font-size: 1.2em;
margin: 1em 0 .4em; } p { margin: 0 0 .7em; } .columns { column-gap: 32px; text-align: justify; }
.row { display: flex; justify-content: space-between; gap: 2em; } table { border-collapse: collapse;
width: 100%; } td, th { text-align: left; padding: .3em .4em; } td:last-child, th:last-child {
text-align: right; } ul { list-style: none; padding-left: 1em; }
li { margin-bottom: .35em; } .line td { border-bottom: 1px solid #999; }
.box { border: 1px solid #555; padding: .35em .6em; margin-bottom: .6em; }
"""


def _prose(rng: random.Random, sentences: int) -> str:
    chosen = rng.sample(SENTENCES + MORE_SENTENCES, sentences)
    paragraphs = []
    while chosen:
        count = rng.randint(2, 5)
        paragraphs.append(f"<p>{html.escape(' '.join(chosen[:count]))}</p>")
        del chosen[:count]
    return "".join(paragraphs)


def _title(rng: random.Random) -> str:
    return html.escape(rng.choice(TITLES))


def _date(rng: random.Random) -> str:
    return f"{rng.randint(1, 28)} {rng.choice(('March', 'May', 'October'))} 20{rng.randint(31, 39)}"


def _letter(rng: random.Random) -> str:
    sender, reader = rng.sample(PEOPLE, 2)
    return (
        f"<p>{sender}<br>{rng.randint(1, 180)} {rng.choice(STREETS)}</p><p>{_date(rng)}</p>"
        f"<p>Dear {html.escape(reader)},</p>{_prose(rng, rng.randint(12, 20))}"
        f"<p>Yours sincerely,</p><p>{html.escape(sender)}</p>"
    )


def _article(rng: random.Random, columns: int) -> str:
    size = 34 if columns == 2 else 40
    body = _prose(rng, size // 2) + f"<h2>{_title(rng)}</h2>" + _prose(rng, size // 2)
    return f'<h1>{_title(rng)}</h1><div class="columns" style="column-count:{columns}">{body}</div>'


def _invoice(rng: random.Random) -> str:
    goods = rng.sample(GOODS, rng.randint(6, 12))
    prices = [rng.randint(95, 9999) / 100 for _ in goods]
    rows = "".join(
        f'<tr class="line"><td>{html.escape(name)}</td><td>{count}</td><td>{price:.2f}</td></tr>'
        for name, price in zip(goods, prices, strict=True)
        for count in [rng.randint(1, 9)]
    )
    return (
        f"<h1>Invoice</h1><p>{html.escape(rng.choice(SHOPS))}<br>{rng.choice(STREETS)} "
        f"{rng.randint(1, 90)}</p><p>Number: {rng.randint(10000, 99999)}<br>Date: {_date(rng)}</p>"
        f"<table><tr><th>Article</th><th>Quantity</th><th>Price</th></tr>{rows}"
        f"<tr><td>Total</td><td></td><td>{sum(prices):.2f}</td></tr></table>"
        f"<p style='margin-top:2em'>{html.escape(rng.choice(SENTENCES))}</p>"
    )


def _form(rng: random.Random) -> str:
    fields = {
        "Surname and first name": rng.choice(PEOPLE),
        "Street and number": f"{rng.choice(STREETS)} {rng.randint(1, 99)}",
        "Date of birth": _date(rng),
        "Telephone": f"+{rng.randint(20, 99)} {rng.randint(100, 999)} {rng.randint(10000, 99999)}",
        "Customer number": str(rng.randint(10**7, 10**8)),
        "Place of work": rng.choice(SHOPS),
        "Reason": rng.choice(MORE_SENTENCES)[:44],
    }
    boxes = "".join(
        f'<div class="box row"><span>{html.escape(k)}</span><span>{html.escape(v)}</span></div>'
        for k, v in fields.items()
    )
    return f"<h1>{_title(rng)}</h1>{_prose(rng, 3)}{boxes}{_prose(rng, 4)}"


def _book(rng: random.Random) -> str:
    number = rng.randint(11, 399)
    return (
        f"<p style='text-align:center'>{_title(rng)}</p>{_prose(rng, 26)}"
        f"<p style='text-align:center'>{number}</p>"
    )


def _notes(rng: random.Random) -> str:
    points = "".join(f"<li>{html.escape(s)}</li>" for s in rng.sample(MORE_SENTENCES, 9))
    rest = "".join(f"<li>{html.escape(s)}</li>" for s in rng.sample(SENTENCES, 5))
    first, second = (f"<ul>{part}</ul>" for part in (points, rest))
    return f"<h1>{_title(rng)}</h1><h2>{_date(rng)}</h2>{first}<h2>{_title(rng)}</h2>{second}"


KINDS: dict[str, Callable[[random.Random], str]] = {
    "letter": _letter,
    "two-columns": lambda rng: _article(rng, 2),
    "three-columns": lambda rng: _article(rng, 3),
    "invoice": _invoice,
    "form": _form,
    "book": _book,
    "notes": _notes,
    "screen": lambda rng: _notes(rng) if rng.random() < 0.5 else _letter(rng),
}
LOOKS = ("clean", "1-bit", "noisy", "skewed", "turned")


def _draw(
    browser: Browser, rng: random.Random, kind: str, look: str
) -> tuple[Image.Image, list[str]]:
    family = rng.choice(HELD_OUT_FAMILIES)
    size = rng.uniform(12.5, 14) if "columns" in kind else rng.uniform(13.5, 17)
    ink, paper = ("#e8e8e8", "#17202a") if kind == "screen" else ("#111", "#fff")
    choices = {"1-bit": (200, 300), "noisy": (150, 200)}  # fine noise fills megabytes
    dpi = rng.choice(choices.get(look, (150, 200, 300)))
    page = browser.new_page(
        viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=dpi / 96
    )
    style = (
        f"font-family:'{family}';font-size:{size:.1f}px;line-height:{rng.uniform(1.25, 1.5):.2f}"
    )
    page.set_content(
        f'<meta charset=utf-8><style>{_CSS}</style><div class=page style="{style};color:{ink};'
        f'background:{paper}">{KINDS[kind](rng)}</div>'
    )
    # What does not fit would be cut off: smaller type until it does.
    page.evaluate(
        "() => { const p = document.querySelector('.page'); let s = parseFloat(p.style.fontSize);"
        "while (p.scrollHeight > p.clientHeight || p.scrollWidth > p.clientWidth)"
        " p.style.fontSize = (s -= 0.25) + 'px'; }"
    )
    lines: list[str] = page.evaluate(_TEXT)
    image = Image.open(io.BytesIO(page.screenshot())).convert("L")
    page.close()
    return _scanned(image, look, rng), [" ".join(line.split()) for line in lines]


def _scanned(image: Image.Image, look: str, rng: random.Random) -> Image.Image:
    corner = image.getpixel((0, 0))
    if look == "1-bit":
        return image.point(lambda value: 255 if value > 150 else 0).convert("1")
    if look == "noisy":
        noise = np.random.default_rng(rng.randrange(2**32)).normal(
            0, 12, (image.height, image.width)
        )
        noisy = (np.asarray(image, dtype=np.float64) * 0.9 + 12 + noise).clip(0, 255)
        return Image.fromarray(noisy.astype(np.uint8))
    if look == "skewed":
        angle = rng.choice((-1, 1)) * rng.uniform(0.5, 2.0)
        return image.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=corner)
    if look == "turned":
        return image.rotate(rng.choice((90, 180, 270)), expand=True)
    return image


def write_pages(folder: Path, seed: str) -> None:
    """Draw a page of each kind in each look into `folder`, with their texts in `truth.jsonl`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        for kind in KINDS:
            for look in LOOKS:
                image, lines = _draw(browser, random.Random(f"{seed} {kind} {look}"), kind, look)
                name = f"{kind}-{look}"
                if look == "noisy":
                    name += ".jpg"
                    image.save(folder / name, quality=40)
                else:
                    name += ".png"
                    few = image if image.mode == "1" else image.quantize(12)
                    few.save(folder / name, optimize=True)
                rows.append({"file": name, "kind": kind, "text": "\n".join(lines)})
        browser.close()
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "truth.jsonl").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", default="pages")
    options = parser.parse_args()
    write_pages(options.folder, options.seed)


if __name__ == "__main__":
    main()
