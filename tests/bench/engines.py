"""One OCR engine on the evaluation set: `python tests/bench/engines.py NAME [BASE_URL]`.

NAME is `mini`, read through a server at BASE_URL, or a baseline of `qwen-ocr eval`. Every engine is
given as many pages at a time as suits it, and may use every core. `tests/samples` are read before
the clock starts. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from processes import watched

from qwen_ocr import OCRClient
from qwen_ocr_tools.evaluation.baselines import baseline
from qwen_ocr_tools.evaluation.dataset import Sample
from qwen_ocr_tools.evaluation.loading import load_dataset
from qwen_ocr_tools.evaluation.metrics import character_errors

TESTS = Path(__file__).parents[1]
CALLERS = 32
"""Pages at a time for the server; the baselines say what suits them."""


def measure(read: Callable[[Sample], str], at_a_time: int) -> dict[str, float]:
    """Pages per second, CER (0 to 1, micro), and peak MiB of this process and its children."""

    def errors(sample: Sample) -> tuple[float, float]:
        return character_errors(sample.text or "", read(sample))

    samples = load_dataset(TESTS / "evaluation").samples
    with ThreadPoolExecutor(at_a_time) as pool, watched(os.getpgid(0)) as usage:
        list(pool.map(errors, load_dataset(TESTS / "samples").samples))
        started = time.perf_counter()
        counted = list(pool.map(errors, samples))
        seconds = time.perf_counter() - started
    wrong, characters = map(sum, zip(*counted, strict=True))
    return {
        "pages_per_second": len(samples) / seconds,
        "cer": wrong / characters,
        "peak_mib": usage.peak_mib,
    }


def main() -> None:
    """Print the measurements of one engine."""
    name, *url = sys.argv[1:]
    if url:
        with OCRClient(url[0]) as client:
            found = measure(
                lambda sample: client.ocr(sample.image(), allow_truncated=True).text, CALLERS
            )
    else:
        engine = baseline(name)
        found = measure(lambda sample: engine.read(sample, "text").text or "", engine.concurrency)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
