"""Whole pages on the bundled model beside Tesseract: `python tests/bench/pages.py [--rounds N]`.

The pages of `tests/evaluation/pages`, 16 at a time through a server, and as many of Tesseract's
processes as there are cores, one thread each, with and without its search for turned pages, in
turn: pages per second, and the mean of the pages' character error rates. And the processor's time
for turning, measuring and cutting a page.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import report
from PIL import Image
from rapidfuzz.distance import Levenshtein
from servers import own_server

from qwen_ocr import OCRClient
from qwen_ocr_serve.documents.analysis import analyse

FOLDER = Path(__file__).parents[1] / "evaluation/pages"
IN_FLIGHT = 16
LIMIT = 1.5
"""Limit: our time for a page, in Tesseract's."""


def error_rate(text: str, truth: str) -> float:
    """The character error rate, with white space folded."""
    wanted = " ".join(truth.split())
    return Levenshtein.distance(" ".join(text.split()), wanted) / len(wanted)


def tesseract(path: Path, mode: str) -> str:
    """What Tesseract reads; `mode` is its --psm."""
    env = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    command = ["tesseract", str(path), "-", "--psm", mode]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Print the table and the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=2)
    rounds = parser.parse_args().rounds
    lines = (FOLDER / "truth.jsonl").read_text("utf-8").splitlines()
    truth = {FOLDER / row["file"]: row["text"] for row in map(json.loads, lines)}
    seconds: dict[str, list[float]] = {}
    rates: dict[str, float] = {}
    with own_server() as server, OCRClient(server.base_url, timeout=600) as client:

        def ours(path: Path) -> str:
            return client.ocr(path).text

        sides = {
            "mini": (ours, IN_FLIGHT),
            "Tesseract": (lambda path: tesseract(path, "3"), os.cpu_count() or 1),
            "Tesseract, turned pages too": (lambda path: tesseract(path, "1"), os.cpu_count() or 1),
        }
        client.ocr(next(iter(truth)))  # starts the processes
        for _ in range(rounds):
            for name, (read, at_once) in sides.items():
                began = time.perf_counter()
                with ThreadPoolExecutor(at_once) as pool:
                    texts = list(pool.map(read, truth))
                seconds.setdefault(name, []).append(time.perf_counter() - began)
                found = [
                    error_rate(t, wanted) for t, wanted in zip(texts, truth.values(), strict=True)
                ]
                rates[name] = sum(found) / len(found)
    began = time.process_time()
    for path in truth:
        with Image.open(path) as image:
            analyse(image, 200)
    analysis = (time.process_time() - began) / len(truth)
    best = {name: len(truth) / min(took) for name, took in seconds.items()}
    rows = [
        (name, speed, speed and best["Tesseract"] / speed, f"{100 * rates[name]:.2f} %")
        for name, speed in best.items()
    ]
    header = ["reads", "pages/s", "time per page, in Tesseract's", "mean CER"]
    report.show(f"{len(truth)} whole pages", header, rows)
    report.show_circumstances()
    print(f"turning, measuring and cutting takes {analysis:.2f} s of a core a page")
    print(f"limit of the time per page: {LIMIT}")


if __name__ == "__main__":
    main()
