"""Draw text blocks with a web browser, and say where every character stands.

A browser places and smooths glyphs otherwise than Pillow does (sub-pixel positions, hinting,
kerning, ligatures), and most of what people read was drawn by one. `python -m training.browser
FOLDER` writes batches for training; the evaluation set uses the same machinery on other text.
"""

from __future__ import annotations

import argparse
import html
import io
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from rich.progress import track

from training.samples import TOKEN, TYPE_SIZES, Line, fit, save_batch
from training.scripts import Script, for_training

CHROMIUM = "/usr/bin/chromium"
BLOCKS_PER_PAGE = 12

# Cuts what does not fit, by words and Chinese characters, then reads every character's box. A new
# line starts where a character stands lower than the line so far; a gap between two boxes of one
# line counts as one space.
_MEASURE = """
() => [...document.querySelectorAll('.block')].map(block => {
  const frame = block.getBoundingClientRect();
  const last = node => {
    const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    let text = null;
    while (walker.nextNode()) if (walker.currentNode.data.trim()) text = walker.currentNode;
    return text;
  };
  const tooBig = () =>
    block.scrollHeight > block.clientHeight || block.scrollWidth > block.clientWidth;
  for (let i = 0; i < 2000 && tooBig(); i++) {
    const text = last(block);
    if (!text) break;
    const shorter = text.data.trimEnd().replace(/(\\s*[!-\\u2fff]+|.)$/u, '');
    if (shorter) text.data = shorter; else text.remove();
  }
  const lines = [];
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    for (let i = 0; i < node.data.length; i++) {
      const range = document.createRange();
      range.setStart(node, i); range.setEnd(node, i + 1);
      const box = range.getBoundingClientRect();
      if (box.width === 0) continue;
      const size = parseFloat(getComputedStyle(node.parentElement).fontSize);
      const c = {text: node.data[i].replace(/\\s/, ' '), left: box.left - frame.left,
                 right: box.right - frame.left, y: (box.top + box.bottom) / 2 - frame.top, size};
      const line = lines[lines.length - 1];
      if (line && Math.abs(c.y - line[0].y) < 0.5 * size) {
        const before = line[line.length - 1];
        if (c.left > before.right + 0.15 * size && c.text !== ' ' && before.text !== ' ')
          line.push({...c, text: ' ', left: before.right, right: c.left});
        line.push(c);
      } else lines.push([c]);
    }
  }
  return {x: frame.left, y: frame.top, width: frame.width, height: frame.height, lines};
})
"""


@dataclass
class Block:
    """A block of HTML: its body, its CSS, and its size in px."""

    body: str
    css: str
    width: int
    height: int | None = None


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page of a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


def _line(characters: list[dict[str, Any]]) -> Line | None:
    while characters and characters[-1]["text"] == " ":
        characters.pop()
    while characters and characters[0]["text"] == " ":
        characters.pop(0)
    if not characters:
        return None
    edges = [c["left"] for c in characters] + [characters[-1]["right"]]
    size = characters[0]["size"]
    return Line(
        text="".join(c["text"] for c in characters),
        edges=np.maximum.accumulate(np.array(edges, dtype=np.float64)),
        y=np.full(len(edges), characters[0]["y"], dtype=np.float64),
        height=0.95 * size,
    )


def draw(page: Page, blocks: list[Block]) -> list[tuple[Image.Image, list[Line]]]:
    """Draw `blocks` on one page; returns each one's colour image and its lines of text."""
    divisions = "".join(
        f'<div class="block" style="width:{block.width}px;{block.css};'
        + (f"height:{block.height}px" if block.height else "")
        + f'">{block.body}</div>'
        for block in blocks
    )
    page.set_content(
        "<meta charset=utf-8><style>body{margin:0;background:#fff}p{margin:0 0 .4em}"
        ".block{box-sizing:border-box;overflow:hidden;margin-bottom:8px}"
        ".row{display:flex;justify-content:space-between;gap:1em}"
        f".row span:last-child{{text-align:right}}</style>{divisions}"
    )
    measured = page.evaluate(_MEASURE)
    sheet = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    drawn = []
    for item in measured:
        corner = (round(item["x"]), round(item["y"]))
        box = (*corner, corner[0] + round(item["width"]), corner[1] + round(item["height"]))
        lines = [line for characters in item["lines"] if (line := _line(characters))]
        drawn.append((sheet.crop(box), lines))
    return drawn


def _colour(rng: random.Random, low: int, high: int) -> str:
    return "rgb({},{},{})".format(*(rng.randint(low, high) for _ in range(3)))


def random_style(rng: random.Random, script: Script, size: float) -> str:
    """CSS for a block: family, size, weight, figures, colours, spacing, alignment, margins."""
    ink, paper = _colour(rng, 0, 90), rng.choice(("#fff", _colour(rng, 215, 255)))
    if rng.random() < 0.25:
        ink, paper = _colour(rng, 190, 255), _colour(rng, 0, 80)
    # Chinese that is spread has gaps like those between words.
    spread = script.width < 0.8
    spacing = rng.choice((0, 0, 0, 0, rng.uniform(-0.02, 0.12 if spread else 0.06)))
    alignments = ("left",) * 5 + ("center", "right", "justify" if spread else "left")
    return ";".join(
        (
            f"font-family:'{rng.choice(script.families)}'",
            f"font-size:{size:.1f}px",
            f"font-weight:{rng.choice((400, 400, 400, 300, 500, 700))}",
            f"font-style:{rng.choice(('normal',) * 6 + ('italic',))}",
            f"font-variant-numeric:{rng.choice(('normal', 'oldstyle-nums'))}",
            f"color:{ink};background:{paper}",
            f"line-height:{rng.uniform(1.1, 1.8):.2f}",
            f"letter-spacing:{spacing:.3f}em",
            f"text-align:{rng.choice(alignments)}",
            f"padding:{rng.uniform(0.1, 1.2):.2f}em {rng.uniform(0.1, 1.5):.2f}em",
        )
    )


def _random_body(rng: random.Random, script: Script, characters: int) -> str:
    """Paragraphs, or rows of a form or receipt, of roughly `characters` characters."""
    source = script.source(rng)
    parts: list[str] = []
    rows = rng.random() < 0.35
    while sum(map(len, parts)) < characters:
        if rows and rng.random() < 0.85:
            left, right = html.escape(source.label()), html.escape(source.value())
            parts.append(f'<div class="row"><span>{left}</span><span>{right}</span></div>')
        else:
            length = rng.randint(1, max(2, characters // 7))
            words = source.join([source.token() for _ in range(min(length, 80))])
            parts.append(f"<p>{html.escape(words)}</p>")
    return "".join(parts)


def random_blocks(rng: random.Random, script: Script) -> tuple[int, int, list[Block]]:
    """Width and height (multiples of `TOKEN`) and blocks that are at most half a token off."""
    if rng.random() < 0.3:
        rows, columns = rng.choice((2, 2, 3, 3, 4)), rng.randint(4, 56)
    else:
        rows, columns = rng.randint(3, 32), rng.randint(8, 52)
        while rows * columns > 700:
            rows, columns = rng.randint(3, 32), rng.randint(8, 52)
    width, height = columns * TOKEN, rows * TOKEN
    smallest, largest = TYPE_SIZES
    most = min(largest, height * 0.45, width / 5)
    middle = math.exp(rng.uniform(math.log(min(smallest, most)), math.log(most)))
    blocks = []
    for _ in range(BLOCKS_PER_PAGE):
        size = min(most, max(smallest, middle * rng.uniform(0.85, 1.18)))
        characters = max(3, round(0.8 * width * height / (1.5 * script.width * size * size)))
        blocks.append(
            Block(
                body=_random_body(rng, script, characters),
                css=random_style(rng, script, size),
                width=width + rng.randint(-TOKEN // 2, TOKEN // 2 - 1),
                height=max(12, height + rng.randint(-TOKEN // 2, TOKEN // 2 - 1)),
            )
        )
    return width, height, blocks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batches", type=int, default=300, help="of each script")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    scripts = for_training()
    jobs = [(name, number) for name in scripts for number in range(options.batches)]
    for name in scripts:
        (options.folder / name).mkdir(parents=True, exist_ok=True)
    with browser_page() as page:
        for name, number in track(jobs, "drawing in a browser"):
            path = options.folder / name / f"{options.seed}-{number:05d}.npz"
            if path.exists():
                continue
            rng = random.Random(f"{options.seed} {number}")
            width, height, blocks = random_blocks(rng, scripts[name])
            # Where not even a word fitted, nothing is to be learnt that blank paper does not teach.
            samples = [
                fit(image.convert("L"), lines, width, height)
                for image, lines in draw(page, blocks)
                if lines
            ]
            if samples:
                save_batch(path, samples)


if __name__ == "__main__":
    main()
