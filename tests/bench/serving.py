"""How fast the server is, beside what people would use instead: `make bench`.

    python tests/bench/serving.py [SECTION…] [--base-url URL] [--model NAME] [--json FILE]

Sections: `replaced` (the design that this product replaced), `limit` (vLLM's offline engine),
`engines` (Tesseract and RapidOCR), `growth` (concurrency, image size, length of text), `start`
(cold start by process). All by default.
With `--base-url` only `growth` over concurrency runs, against that server, whatever serves it.
Both sides of a comparison run one after the other on the same machine with nothing else on it; each
server is warmed up with the same work first. Exits with 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import report
from load import Load, chat, run, sample_images
from load import Request as Call
from PIL import Image
from processes import born, members, peak_memory

from qwen_ocr import DEFAULT_PROMPT, OCRClient
from qwen_ocr_serve.local_server import LocalServer, free_port

HERE = Path(__file__).parent
EVALUATION = HERE.parent / "evaluation"
TOKENS = 100
"""Length of every forced answer, in tokens: two or three printed lines for the bundled model."""
LEVELS = (1, 4, 16, 64)
MIN_SPEEDUP = 15.0
"""Limit at 64 concurrent requests, as a multiple of the replaced design's throughput."""
MIN_OF_LIMIT = 0.97
"""Limit at saturation, as a share of the offline engine's throughput."""
SATURATION = 256
"""Pages at once with which the engine is full."""


@contextmanager
def own_server(*arguments: str) -> Iterator[LocalServer]:
    """A ready server with the bundled model, its log in a temporary folder."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalServer(Path(folder, "server.log"), arguments) as server,
    ):
        server.wait_until_ready()
        yield server


@contextmanager
def replaced_server() -> Iterator[str]:
    """The address of the replaced design's server."""
    port = free_port()
    command = [sys.executable, str(HERE / "replaced.py"), str(port), str(TOKENS)]
    process = subprocess.Popen(command)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


def climb(
    url: str, call: Callable[[bytes], Call], levels: tuple[int, ...], rounds: int
) -> list[Load]:
    """One load per level of concurrency, `rounds` times as many pages, at least 8."""
    loads = []
    for level in levels:
        images = sample_images(EVALUATION, "line", max(8, rounds * level))
        requests = [call(image) for image in images]
        run(url, requests[:level], level)
        loads.append(run(url, requests, level))
    return loads


def against_replaced() -> tuple[dict[str, Any], bool]:
    """Our server and the replaced design's, same model, images and length of answer."""

    def old_call(image: bytes) -> Call:
        encoded = chat("", image).body["messages"][0]["content"][0]["image_url"]["url"]
        body = {"image": encoded.partition(",")[2], "text": DEFAULT_PROMPT}
        return Call("/api/v1/ocr", body, TOKENS)

    with own_server() as server:
        ours = climb(server.base_url, lambda image: chat("mini", image, TOKENS), LEVELS, 4)
    with replaced_server() as url:
        old = climb(url, old_call, LEVELS, 1)
    rows = []
    for new, was in zip(ours, old, strict=True):
        ratio = new.tokens_per_second / was.tokens_per_second
        numbers = (new.tokens_per_second, was.tokens_per_second, ratio)
        rows.append(
            (new.concurrency, *numbers, new.p50, was.p50, new.p95, was.p95, new.p99, was.p99)
        )
    header = ["at once", "tokens/s", "replaced", "ratio"]
    header += ["p50 s", "replaced", "p95 s", "replaced", "p99 s", "replaced"]
    report.show(f"against the replaced design, {TOKENS} tokens a page", header, rows)
    kept = rows[-1][3] >= MIN_SPEEDUP and rows[0][3] >= 1.0
    return {"header": header, "rows": rows}, kept


def against_the_limit() -> tuple[dict[str, Any], bool]:
    """Pages per second over HTTP and without it, the same engine arguments."""
    images = sample_images(EVALUATION, "line", SATURATION)
    with own_server() as server:
        requests = [chat("mini", image, TOKENS) for image in images]
        run(server.base_url, requests, SATURATION)
        loads = [run(server.base_url, requests, SATURATION) for _ in range(3)]
        http = max(load.pages_per_second for load in loads)
    command = [sys.executable, str(HERE / "offline.py"), str(SATURATION), str(TOKENS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    offline = float(done.stdout.rpartition("pages_per_second")[2])
    row = (http, offline, http / offline)
    header = ["pages/s over HTTP", "offline engine", "ratio"]
    report.show(f"against the limit, {SATURATION} pages at once", header, [row])
    return {"header": header, "rows": [row]}, http / offline >= MIN_OF_LIMIT


def against_engines() -> tuple[dict[str, Any], bool]:
    """Pages per second, error rate and memory of this server and of two other engines."""

    def measured(*arguments: str) -> dict[str, float]:
        command = [sys.executable, str(HERE / "engines.py"), *arguments]
        # A process group of its own, whose memory is the engine's.
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, start_new_session=True
        )
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    with own_server() as server, peak_memory(server.process.pid) as peak:
        ours = measured("mini", server.base_url)
    results = {"mini": ours | {"peak_mib": ours["peak_mib"] + peak.mib}}
    results |= {name: measured(name) for name in ("tesseract", "rapidocr")}
    header = ["engine", "pages/s", "CER %", "peak MiB"]
    rows = [
        (name, found["pages_per_second"], 100 * found["cer"], found["peak_mib"])
        for name, found in results.items()
    ]
    report.show("tests/evaluation, all cores to each engine", header, rows)
    return {"header": header, "rows": rows}, True


def _by_concurrency(url: str, model: str, group: int | None, key: str | None) -> list[Any]:
    rows = []
    for level in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        images = sample_images(EVALUATION, "paragraph", max(16, 2 * level))
        requests = [chat(model, image) for image in images]
        with peak_memory(group) as peak:
            load = run(url, requests, level, key)
        latencies = (load.p50, load.p95, load.p99)
        rows.append((level, load.pages_per_second, *latencies, peak.mib, load.failed))
    return rows


def _by_megapixels(server: LocalServer) -> list[Any]:
    """A page is read through the client, which shrinks what the model cannot take."""
    page = Image.open(next(EVALUATION.glob("paragraph-*"))).convert("RGB")
    rows = []
    with OCRClient(server.base_url, max_image_tokens=1024) as client:
        for megapixels in (0.1, 0.5, 1, 3, 6, 12):
            scale = (megapixels * 1e6 / (page.width * page.height)) ** 0.5
            buffer = io.BytesIO()
            size = (round(page.width * scale), round(page.height * scale))
            page.resize(size).save(buffer, "JPEG", quality=90)
            images = [buffer.getvalue()] * 16
            started = time.perf_counter()
            outcomes = list(
                client.ocr_many(images, concurrency=8, max_tokens=50, allow_truncated=True)
            )
            seconds = time.perf_counter() - started
            assert all(outcome.result for outcome in outcomes)
            rows.append((megapixels, len(images) / seconds))
    return rows


def growth(base_url: str | None, model: str, key: str | None) -> tuple[dict[str, Any], bool]:
    """Pages per second, latency and memory against what grows."""
    header = ["at once", "pages/s", "p50 s", "p95 s", "p99 s", "peak MiB", "failed"]
    if base_url:
        rows = _by_concurrency(base_url, model, None, key)
        report.show(f"pages of a few lines, {model}", header, rows)
        return {"concurrency": rows}, all(not row[-1] for row in rows)
    with own_server() as server:
        rows = _by_concurrency(server.base_url, "mini", server.process.pid, None)
        sizes = _by_megapixels(server)
        image = sample_images(EVALUATION, "line", 1)[0]
        lengths = []
        for tokens in (16, 64, 256, 1024):
            load = run(server.base_url, [chat("mini", image, tokens)] * 32, 16)
            lengths.append((tokens, load.tokens_per_second, load.pages_per_second, load.p50))
    report.show("pages of a few lines", header, rows)
    report.show("size of the image, 8 at once, 50 tokens each", ["megapixels", "pages/s"], sizes)
    report.show(
        "length of the text, 16 at once", ["tokens", "tokens/s", "pages/s", "p50 s"], lengths
    )
    kept = all(not row[-1] for row in rows)
    return {"concurrency": rows, "megapixels": sizes, "tokens": lengths}, kept


def cold_start() -> tuple[dict[str, Any], bool]:
    """Seconds from the command to each process, to readiness, to the first answer."""
    image = sample_images(EVALUATION, "line", 1)[0]
    rounds = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            started = time.time()
            with LocalServer(Path(folder, "server.log")) as server:
                server.wait_until_ready()
                ready = time.time() - started
                load = run(server.base_url, [chat("mini", image, 1)], 1)
                assert not load.failed
                answered = time.time() - started
                births = sorted(born(pid) - started for pid in members(server.process.pid))
        rounds.append((*births, ready, answered))
    best = min(rounds, key=lambda row: row[-1])
    names = [f"process {number + 1}" for number in range(len(best) - 2)]
    header = [*names, "ready", "first answer"]
    report.show("cold start, seconds since the command, best of 3", header, [best])
    return {"header": header, "rounds": rounds}, True


def main() -> int:
    """Run the sections that were asked for; 0 when every limit is kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    sections = ("replaced", "limit", "engines", "growth", "start")
    parser.add_argument("section", nargs="*", help=f"of {', '.join(sections)}; all if none")
    parser.add_argument("--base-url", help="measure this server instead of starting one")
    parser.add_argument("--model", default="mini", help="the model's name on that server")
    parser.add_argument("--api-key", help="a key of that server")
    parser.add_argument("--json", type=Path, help="add the results to this file")
    options = parser.parse_args()
    run_section: dict[str, Callable[[], tuple[dict[str, Any], bool]]] = {
        "replaced": against_replaced,
        "limit": against_the_limit,
        "engines": against_engines,
        "growth": lambda: growth(options.base_url, options.model, options.api_key),
        "start": cold_start,
    }
    if unknown := set(options.section) - set(sections):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    names = ["growth"] if options.base_url else options.section or sections
    missed = []
    for name in names:
        result, kept = run_section[name]()
        if not kept:
            missed.append(name)
        if options.json:
            report.save(options.json, {name: result})
    report.show_circumstances()
    if missed:
        print("limits missed:", ", ".join(missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
