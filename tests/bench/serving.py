"""How fast the server is, beside what people would use instead: `make bench`.

    python tests/bench/serving.py [SECTION…] [--base-url URL --model NAME [--page-tokens N]]
        [--json FILE]

Sections: `replaced` (the design that this product replaced), `limit` (vLLM's offline engine),
`engines` (Tesseract and RapidOCR), `growth` (concurrency, image size, length of text), `start`
(cold start by process and phase). All by default.
With `--base-url` only `growth` over concurrency runs, against that server, whatever serves it.
Both sides of a comparison are measured on the same machine with nothing else on it, one after the
other, in turn while the other is idle, or in turn while it is stopped; each server is warmed up
with the same kind of work first, and no image is sent to a server twice. The growth is drawn beside
FILE, as SVG. Exits with 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cold_start
import report
from growth import (
    CALLERS,
    CONCURRENCY_HEADER,
    LENGTH_HEADER,
    SIZE_HEADER,
    by_concurrency,
    by_length,
    by_megapixels,
    explain,
    most_at_once,
    text_pages,
)
from growth_plot import draw
from limit import against_the_limit
from load import TOKENS, Load, chat, evaluation_pages, full_pages, run
from load import Request as Call
from processes import watched
from servers import own_server, replaced_server

from qwen_ocr import DEFAULT_PROMPT

LEVELS = (1, 4, 16, 64)
MIN_SPEEDUP = 15.0
"""Limit at 64 concurrent requests, as a multiple of the replaced design's throughput."""
ROUNDS = 3
"""Rounds, of which the middle one counts."""
MAX_START = 15.0
"""Limit for a start after the first, in seconds from the command to the first answer."""


def against_replaced() -> tuple[dict[str, Any], bool]:
    """Our server and the replaced design's, same model, images and length of answer."""

    def new_call(image: bytes) -> Call:
        return chat("mini", image, TOKENS)

    def old_call(image: bytes) -> Call:
        encoded = chat("", image).body["messages"][0]["content"][0]["image_url"]["url"]
        body = {"image": encoded.partition(",")[2], "text": DEFAULT_PROMPT}
        return Call("/api/v1/ocr", body, TOKENS)

    pages = full_pages(TOKENS)
    rows = []
    with own_server() as server, replaced_server(TOKENS) as url:
        sides = ((server.base_url, new_call, 4), (url, old_call, 1))
        for level in LEVELS:
            for side, call, _ in sides:
                run(side, [call(image) for image in pages.take(level)], level)
            loads: list[list[Load]] = [[], []]
            # In turn, because the speed of a machine changes from minute to minute.
            for _ in range(ROUNDS):
                for found, (side, call, fold) in zip(loads, sides, strict=True):
                    requests = [call(image) for image in pages.take(max(8, fold * level))]
                    load = run(side, requests, level)
                    found.append(load)
                    print(f"{level} at once: {load.tokens_per_second:.0f} tokens/s", flush=True)
            new, was = (
                sorted(found, key=lambda load: load.tokens_per_second)[ROUNDS // 2]
                for found in loads
            )
            ratio = new.tokens_per_second / was.tokens_per_second
            numbers = (new.tokens_per_second, was.tokens_per_second, ratio)
            latencies = (new.p50, was.p50, new.p95, was.p95, new.p99, was.p99)
            rows.append((level, *numbers, *latencies))
    header = ["at once", "tokens/s", "replaced", "ratio"]
    header += ["p50 s", "replaced", "p95 s", "replaced", "p99 s", "replaced"]
    report.show(f"against the replaced design, {TOKENS} tokens a page", header, rows)
    kept = rows[-1][3] >= MIN_SPEEDUP and rows[0][3] >= 1.0
    return {"header": header, "rows": rows}, kept


def against_engines() -> tuple[dict[str, Any], bool]:
    """Pages per second, error rate and memory of this server and of two other engines."""

    def measured(*arguments: str) -> dict[str, float]:
        script = Path(__file__).with_name("engines.py")
        command = [sys.executable, str(script), *arguments]
        # A process group of its own, whose memory is the engine's.
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, start_new_session=True
        )
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    with own_server() as server, watched(server.process.pid) as usage:
        ours = measured("mini", server.base_url)
    results = {"mini": ours | {"peak_mib": ours["peak_mib"] + usage.peak_mib}}
    results |= {name: measured(name) for name in ("tesseract", "rapidocr")}
    header = ["engine", "pages/s", "CER %", "peak MiB"]
    rows = [
        (name, found["pages_per_second"], 100 * found["cer"], found["peak_mib"])
        for name, found in results.items()
    ]
    report.show("tests/evaluation, all cores to each engine, with its caller", header, rows)
    said = winners(rows)
    print(said)
    return {"header": header, "rows": rows, "winners": said}, True


def winners(rows: Sequence[tuple[str, float, float, float]]) -> str:
    """The engines in order of speed, of errors and of memory, the best first, a line each."""
    lines = []
    for column, what, sign in ((1, "pages/s", -1), (2, "% of characters wrong", 1), (3, "MiB", 1)):
        order = sorted((sign * float(row[column]), row[0]) for row in rows)
        found = ", ".join(f"{name} {report.rounded(abs(value))}" for value, name in order)
        lines.append(f"{what}, the best first: {found}")
    return "\n".join(lines)


def growth(options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Pages per second, latency and memory against what grows."""
    model, base_url = options.model, options.base_url
    if options.page_tokens:
        pages, what = text_pages(model, options.page_tokens), f"{options.page_tokens} visual tokens"
    else:
        pages, what = evaluation_pages("paragraph"), "a few lines"
    tables: dict[str, Any] = {}
    if base_url:
        rows = by_concurrency(pages, base_url, model, None, options.api_key)
        said = explain(rows, 0, most_at_once(base_url))
    else:
        with own_server() as server:
            rows = by_concurrency(pages, server.base_url, model, server.process.pid, None)
            said = explain(rows, os.cpu_count() or 1, most_at_once(server.base_url))
            tables = {"megapixels": by_megapixels(server), "length": by_length(server)}
    tables = {"concurrency": rows, **tables, "knee": said}
    report.show(f"pages of {what}, {model}", CONCURRENCY_HEADER, rows)
    print(said)
    if not base_url:
        title = f"size of the image, {CALLERS} at once through OCRClient"
        report.show(title, SIZE_HEADER, tables["megapixels"])
        report.show(f"length of the text, {CALLERS} at once", LENGTH_HEADER, tables["length"])
    return tables, all(not row[-1] for row in rows)


def start() -> tuple[dict[str, Any], bool]:
    """Seconds from the command to the first answer, by process and phase."""
    found = cold_start.measure(rounds=2)
    header = ["phase", "seconds", "processor seconds"]
    for name, title in (
        ("first", "cold start, the first on a machine"),
        ("best", "cold start, the better of 2 later ones"),
    ):
        total = ("all", *(sum(row[column] for row in found[name]) for column in (1, 2)))
        report.show(title, header, [*found[name], total])
    report.show(
        "imports by package, while each was timed",
        ["package", "seconds"],
        found["imports"],
    )
    seconds = sum(row[1] for row in found["best"])
    return found, seconds <= MAX_START


def main() -> int:
    """Run the sections that were asked for; 0 when every limit is kept."""
    # SIGTERM unwinds like Ctrl-C, so that no server is left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    sections = ("replaced", "limit", "engines", "growth", "start")
    parser.add_argument("section", nargs="*", help=f"of {', '.join(sections)}; all if none")
    parser.add_argument("--base-url", help="measure this server instead of starting one")
    parser.add_argument("--model", default="mini", help="the model's name on that server")
    parser.add_argument("--api-key", help="a key of that server")
    parser.add_argument(
        "--page-tokens",
        type=int,
        help="send pages of 1,000 characters and so many visual tokens instead of paragraphs",
    )
    parser.add_argument("--json", type=Path, help="add the results to this file")
    options = parser.parse_args()
    run_section: dict[str, Callable[[], tuple[dict[str, Any], bool]]] = {
        "replaced": against_replaced,
        "limit": against_the_limit,
        "engines": against_engines,
        "growth": lambda: growth(options),
        "start": start,
    }
    if unknown := set(options.section) - set(sections):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    names = ["growth"] if options.base_url else options.section or sections
    missed = []
    for name in names:
        print(f"==> {name}", flush=True)
        result, kept = run_section[name]()
        if not kept:
            missed.append(name)
        if options.json:
            report.save(options.json, {name: result})
            if name == "growth":
                draw(result, options.json.with_suffix(".svg"))
    report.show_circumstances()
    if missed:
        print("limits missed:", ", ".join(missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
