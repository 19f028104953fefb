"""How a server's speed, latency and memory grow with what it is asked for."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
from load import Pages, chat, evaluation_files, evaluation_pages, percentiles, run
from PIL import Image
from processes import watched
from tokenizers import Tokenizer

from qwen_ocr import OCRClient, family_of
from qwen_ocr_serve.launch.local_server import LocalServer
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH
from qwen_ocr_tools.evaluation.loading import load_dataset

EVALUATION = Path(__file__).parents[1] / "evaluation"
LEVELS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Requests at once."""
MEGAPIXELS = (0.1, 0.5, 1.0, 3.0, 6.0, 12.0)
MAX_IMAGE_TOKENS = 1024
"""To which the client shrinks larger images: the bundled model refuses those above 2,048."""
PIECES = (1, 2, 4, 6, 9)
"""Pieces of text on a page, of some 116 characters each."""
CANVAS = (450, 1120)
"""Pixels of a page of text: 1,960 visual tokens of the bundled model, whatever is on it."""
CALLERS = 8
"""Pages at a time where something else grows."""
PAGES = 16
"""Pages of a row where something else grows."""
KNEE = 0.95
"""Share of the highest speed that is reached at the knee."""
BUSY = 0.85
"""Cores from which a process counts as busy: the rest is lost between it and its callers."""

_USED = ("peak MiB", "API cores", "engine cores", "failed")
CONCURRENCY_HEADER = ("at once", "pages/s", "p50 s", "p95 s", "p99 s", *_USED)
SIZE_HEADER = ("megapixels", "pages/s", "p50 s", "p95 s", "client's part s")
LENGTH_HEADER = ("characters", "tokens", "pages/s", "characters/s", "p50 s", "p95 s")


def by_concurrency(
    pages: Pages, url: str, model: str, group: int | None, key: str | None
) -> list[tuple[Any, ...]]:
    """Pages read to their end, twice as many as are asked for at once, at least 16.

    `group` is the server's process group, None when it runs elsewhere.
    """
    rows = []
    for level in LEVELS:
        run(url, [chat(model, image) for image in pages.take(min(level, 32))], level, key)
        requests = [chat(model, image) for image in pages.take(max(16, 2 * level))]
        with watched(group) as usage:
            load = run(url, requests, level, key)
        latencies = (load.p50, load.p95, load.p99)
        used = (usage.peak_mib, usage.leader_cores, usage.other_cores)
        rows.append((level, load.pages_per_second, *latencies, *used, load.failed))
        print(f"{level} at once: {load.pages_per_second:.2f} pages/s", flush=True)
    return rows


def knee(rows: Sequence[Sequence[Any]]) -> int:
    """Index of the first of `rows` that reaches `KNEE` of the highest speed, in column 2."""
    enough = KNEE * max(row[1] for row in rows)
    return next(number for number, row in enumerate(rows) if row[1] >= enough)


def bound_by(api_cores: float, engine_cores: float, cores: int) -> str:
    """What keeps a server from being faster, from the processor time that its processes use.

    Cores are processor seconds per second; `cores` is what the machine has. NaN: not known.
    """
    if math.isnan(api_cores + engine_cores):
        return "the server runs on another machine: its own metrics say what is busy"
    used = f"{engine_cores:.2f} of {cores} cores are the engine's, {api_cores:.2f} the API server's"
    if engine_cores >= BUSY:
        return f"computing: {used}"
    if api_cores >= BUSY:
        return f"the API server: {used}"
    if api_cores + engine_cores >= BUSY * cores:
        return f"the machine: {used}"
    return f"waiting, neither process is busy: {used}"


def explain(rows: Sequence[Sequence[Any]], cores: int, at_most: int | None) -> str:
    """Where the knee is, and what sets it. `at_most` requests are worked on at a time."""
    number = knee(rows)
    row, highest = rows[number], max(row[1] for row in rows)
    text = (
        f"knee: {row[0]} at once reach {100 * row[1] / highest:.0f} % of {highest:.3g} pages/s; "
        f"bound by {bound_by(row[6], row[7], cores)}"
    )
    if at_most is not None:
        text += f"; requests beyond {at_most} at once wait their turn"
    return text


def most_at_once(url: str) -> int | None:
    """How many requests the server works on at a time; None for a server that does not say."""
    try:
        found = httpx2.get(f"{url}/health").json()["max_concurrent"]
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        return None
    return int(found)


def by_megapixels(server: LocalServer) -> list[tuple[Any, ...]]:
    """Photos of a paragraph, read through `OCRClient`, which decodes, shrinks and encodes them."""
    rows = []
    pages = evaluation_pages("paragraph")
    with OCRClient(server.base_url, max_image_tokens=MAX_IMAGE_TOKENS) as client:
        for megapixels in MEGAPIXELS:
            images = [_enlarged(page, megapixels) for page in pages.take(PAGES)]

            def read(image: bytes, client: OCRClient = client) -> tuple[float, float]:
                started = time.perf_counter()
                result = client.ocr(image, max_tokens=100, allow_truncated=True)
                seconds = time.perf_counter() - started
                return seconds, seconds - result.latency

            started = time.perf_counter()
            with ThreadPoolExecutor(CALLERS) as pool:
                taken = list(pool.map(read, images))
            speed = len(images) / (time.perf_counter() - started)
            p50, p95, _ = percentiles([seconds for seconds, _ in taken])
            own, _, _ = percentiles([seconds for _, seconds in taken])
            rows.append((megapixels, speed, p50, p95, own))
            print(f"{megapixels} megapixels: {speed:.2f} pages/s", flush=True)
    return rows


def _enlarged(page: bytes, megapixels: float) -> bytes:
    image = Image.open(io.BytesIO(page))
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    buffer = io.BytesIO()
    image.resize((round(image.width * scale), round(image.height * scale))).save(
        buffer, "JPEG", quality=90
    )
    return buffer.getvalue()


def by_length(server: LocalServer) -> list[tuple[Any, ...]]:
    """Pages of one size with more and more text.

    Each answer has as many tokens as that text, whatever is read: the bundled model loses its place
    on long pages, and would then measure its own mistakes.
    """
    tokenizer = Tokenizer.from_file(str(BUNDLED_MODEL_PATH / "tokenizer.json"))
    samples = [sample for sample in load_dataset(EVALUATION).samples if sample.kind == "small"]
    rows = []
    for pieces in PIECES:
        requests, written = [], 0
        for first in range(PAGES):
            # Each page begins with another piece, so none comes twice.
            chosen = [samples[(first + number) % len(samples)] for number in range(pieces)]
            text = "\n".join(sample.text or "" for sample in chosen)
            image = stacked([sample.path for sample in chosen])
            requests.append(chat("mini", image, len(tokenizer.encode(text).ids)))
            written += len(text)
        load = run(server.base_url, requests, CALLERS)
        characters, tokens = (total / PAGES for total in (written, sum(r.tokens for r in requests)))
        speed = load.pages_per_second
        rows.append(
            (round(characters), round(tokens), speed, characters * speed, load.p50, load.p95)
        )
        print(f"{characters:.0f} characters: {speed:.2f} pages/s", flush=True)
    return rows


def text_pages(model: str, tokens: int) -> Pages:
    """Pages of some 1,000 characters, and of about so many visual tokens of the model."""
    factor = family_of(model).factor
    scale = (tokens / (CANVAS[0] * CANVAS[1])) ** 0.5
    size = (round(CANVAS[0] * scale) * factor, round(CANVAS[1] * scale) * factor)
    files = evaluation_files("small")
    turns = [files[first:] + files[:first] for first in range(len(files))]
    pages = (Image.open(io.BytesIO(stacked(turn[: PIECES[-1]]))) for turn in turns)
    return Pages(page.resize(size) for page in pages)


def stacked(files: Sequence[Path], canvas: tuple[int, int] = CANVAS) -> bytes:
    """A page with these pieces of text one below the other, as a PNG file.

    Raises `ValueError` when they are larger than the page.
    """
    page = Image.new("RGB", canvas, "white")
    top = 0
    for file in files:
        piece = Image.open(file)
        page.paste(piece, (0, top))
        top += piece.height
        if top > page.height or piece.width > page.width:
            raise ValueError(f"a page of {canvas[0]} x {canvas[1]} pixels is too small")
    buffer = io.BytesIO()
    page.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
