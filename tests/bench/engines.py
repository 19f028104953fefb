"""One OCR engine on the evaluation set: `python tests/bench/engines.py NAME [BASE_URL]`.

NAME is `mini`, read through a server at BASE_URL, or a baseline of `qwen-ocr eval`. Every engine is
given as many pages at a time as suits it, and may use every core. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from processes import peak_memory

from qwen_ocr.evaluation.baselines import baseline
from qwen_ocr.evaluation.dataset import Sample
from qwen_ocr.evaluation.engines import Engine, QwenOCR
from qwen_ocr.evaluation.loading import load_dataset
from qwen_ocr.evaluation.metrics import character_errors

EVALUATION = Path(__file__).parents[1] / "evaluation"
CALLERS = 32
"""Pages at a time for the server; the baselines say what suits them."""
WARM_UP = 8
"""Pages that are read before the clock starts."""


def measure(engine: Engine) -> dict[str, float]:
    """Pages per second, CER (0 to 1, micro), and peak MiB of this process and its children."""
    samples = load_dataset(EVALUATION).samples

    def read(sample: Sample) -> tuple[float, float]:
        text = engine.read(sample, "text").text
        return character_errors(sample.text or "", text or "")

    with ThreadPoolExecutor(engine.concurrency) as pool, peak_memory(os.getpgid(0)) as peak:
        list(pool.map(read, samples[:WARM_UP]))
        started = time.perf_counter()
        counted = list(pool.map(read, samples))
        seconds = time.perf_counter() - started
    wrong, characters = map(sum, zip(*counted, strict=True))
    return {
        "pages_per_second": len(samples) / seconds,
        "cer": wrong / characters,
        "peak_mib": peak.mib,
    }


def main() -> None:
    """Print the measurements of one engine."""
    name, *url = sys.argv[1:]
    engine = QwenOCR(url[0], concurrency=CALLERS) if url else baseline(name)
    print(json.dumps(measure(engine)))


if __name__ == "__main__":
    main()
