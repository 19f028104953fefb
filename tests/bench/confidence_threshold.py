"""Below which confidence a page is flagged.

`python tests/bench/confidence_threshold.py [--pages] [BASE_URL]` reads the blocks of
`tests/evaluation` and `tests/samples`, and pictures made from them that the bundled model cannot
read (`unreadable.py`), through a server at BASE_URL or one of its own; with `--pages`, the whole
pages of `tests/evaluation/pages` and others that it cannot read (`unreadable_pages.py`).

It prints for each threshold the share of well-read pages (CER up to 5 %) that are flagged, which
are its false alarms, and the share of badly read pictures (CER over 20 %) that are caught. A page
without any text is flagged at every threshold.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from unreadable import Picture, pictures
from unreadable_pages import pages

from qwen_ocr import OCRClient
from qwen_ocr.images import ImageInput
from qwen_ocr_serve.launch.local_server import LocalServer
from qwen_ocr_tools.evaluation.loading import load_dataset
from qwen_ocr_tools.evaluation.metrics import character_errors

TESTS = Path(__file__).parents[1]
WELL_READ, BADLY_READ = 0.05, 0.2
"""CER up to which a page is well read, and above which it is badly read."""
MAX_TOKENS = 500
"""Of a reading: noise has no end."""
CALLERS = 16


class Reading(NamedTuple):
    """How sure the model was of a page, 0 to 1, and how wrong it was."""

    kind: str
    confidence: float
    """0 for a page without text."""
    cer: float


def read(
    client: OCRClient, kind: str, image: ImageInput, text: str, max_tokens: int | None
) -> Reading:
    """One page, whether it comes to its end or not."""
    result = client.ocr(image, max_tokens=max_tokens, allow_truncated=True, confidence=True)
    return Reading(kind, result.confidence or 0.0, character_errors(text, result.text).value)


def measure(client: OCRClient, *, whole_pages: bool) -> tuple[list[Reading], list[Reading]]:
    """The readings of the blocks or pages, and those of what cannot be read."""
    unreadable: list[Picture]
    if whole_pages:
        samples = load_dataset(TESTS / "evaluation/pages").samples
        unreadable = list(pages([sample.text or "" for sample in samples]))
    else:
        samples = load_dataset(TESTS / "evaluation").samples
        samples += load_dataset(TESTS / "samples").samples
        unreadable = list(pictures(samples))
    limit = None if whole_pages else MAX_TOKENS
    with ThreadPoolExecutor(4 if whole_pages else CALLERS) as pool:
        good = pool.map(lambda s: read(client, s.kind, s.path, s.text or "", limit), samples)
        bad = pool.map(lambda p: read(client, p.kind, p.image, p.text, limit), unreadable)
        return list(good), list(bad)


def share(readings: Iterable[Reading], threshold: float) -> str:
    """How many of the readings are flagged."""
    flagged = [reading.confidence < threshold for reading in readings]
    if not flagged:
        return "-"
    return f"{sum(flagged) / len(flagged):6.1%} ({sum(flagged)} of {len(flagged)})"


def report(blocks: list[Reading], unreadable: list[Reading]) -> None:
    """Print the table, and at the middle threshold which kinds are caught."""
    good = [r for r in blocks if r.cer <= WELL_READ]
    bad = [r for r in unreadable if r.cer > BADLY_READ]
    print(f"{len(blocks)} blocks, {len(good)} of them well read; lowest confidences:")
    for reading in sorted(blocks, key=lambda r: r.confidence)[:8]:
        print(f"  {reading.confidence:.3f}  CER {reading.cer:6.1%}  {reading.kind}")
    print("\nthreshold  false alarms         caught")
    for step in range(50, 100, 5):
        threshold = step / 100
        print(f"{threshold:9.2f}  {share(good, threshold):19}  {share(bad, threshold)}")
    kinds: defaultdict[str, list[Reading]] = defaultdict(list)
    for reading in bad:
        kinds[reading.kind].append(reading)
    print("\nbadly read, caught at 0.70, 0.80, 0.90; mean confidence")
    for kind, readings in kinds.items():
        mean = sum(r.confidence for r in readings) / len(readings)
        caught = "  ".join(f"{share(readings, t):18}" for t in (0.7, 0.8, 0.9))
        print(f"  {kind:20} {caught}  {mean:.2f}")


def main() -> None:
    """Measure a server that is there, or one of our own."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = sys.argv[1:]
        whole_pages = "--pages" in arguments
        addresses = [argument for argument in arguments if argument != "--pages"]
        if addresses:
            with OCRClient(addresses[0]) as client:
                report(*measure(client, whole_pages=whole_pages))
            return
        with LocalServer(Path(folder) / "log") as server:
            server.wait_until_ready()
            with OCRClient(server.base_url) as client:
                report(*measure(client, whole_pages=whole_pages))


if __name__ == "__main__":
    main()
