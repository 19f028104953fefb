"""Score a model on the evaluation set, through a real server: `python -m training.score`.

Starts `qwen-ocr serve` with the model and reads every image with the client at default settings.
The character error rate (CER) is the Levenshtein distance between reading and truth over the
number of characters in the truth, summed over images (micro average). Runs of white space count
as one space on both sides. It can exceed 1 when a reading is longer than the truth.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.progress import track
from rich.table import Table

from qwen_ocr import OCRClient, OCRError
from qwen_ocr_serve.local_server import LocalServer

REPOSITORY = Path(__file__).parents[2]
CONCURRENCY = 16


@dataclass(frozen=True)
class Reading:
    """One image of the set: what it says and what was read."""

    file: str
    kind: str
    truth: str
    read: str
    error: str | None

    @property
    def edits(self) -> int:
        """Levenshtein distance in characters, after folding white space."""
        return Levenshtein.distance(fold(self.truth), fold(self.read))


def fold(text: str) -> str:
    """`text` with every run of white space as one space, none at the ends."""
    return " ".join(text.split())


def error_rate(readings: list[Reading]) -> float:
    """Micro-averaged CER, 0 and up."""
    characters = sum(len(fold(reading.truth)) for reading in readings)
    return sum(reading.edits for reading in readings) / characters


def read_set(client: OCRClient, folder: Path, max_tokens: int | None = None) -> Iterator[Reading]:
    """Read all images of `folder/truth.jsonl`, `CONCURRENCY` at a time, in order."""
    rows = [json.loads(line) for line in (folder / "truth.jsonl").read_text("utf-8").splitlines()]

    def read(row: dict[str, str]) -> Reading:
        text, error = "", None
        try:
            result = client.ocr(folder / row["file"], max_tokens=max_tokens, allow_truncated=True)
            text = result.text
            error = None if result.finish_reason == "stop" else result.finish_reason
        except OCRError as exc:
            error = str(exc)
        return Reading(row["file"], row["kind"], row["text"], text, error)

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        yield from track(pool.map(read, rows), "reading", total=len(rows), transient=True)


def report(readings: list[Reading], console: Console) -> None:
    """Print the CER of each kind and of all, and the worst readings."""
    kinds: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        kinds[reading.kind].append(reading)
    table = Table("kind", "images", "characters", "CER %", "not ended or failed")
    for kind, members in [*kinds.items(), ("all", readings)]:
        table.add_row(
            kind,
            str(len(members)),
            str(sum(len(fold(reading.truth)) for reading in members)),
            f"{100 * error_rate(members):.2f}",
            str(sum(reading.error is not None for reading in members)),
            end_section=members is list(kinds.values())[-1],
        )
    console.print(table)
    console.print("worst readings:")
    for reading in sorted(readings, key=lambda r: -r.edits / len(r.truth))[:10]:
        console.print(f"{reading.file}: {reading.edits} edits {reading.error or ''}", style="bold")
        console.print(
            f"  truth {fold(reading.truth)!r}\n  read  {fold(reading.read)!r}", markup=False
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, default=REPOSITORY / "tests/evaluation")
    parser.add_argument("--model", default="mini", help="model directory or name")
    parser.add_argument("--max-tokens", type=int, help="bound on each reading")
    parser.add_argument("--json", type=Path, help="also write the readings here, a line each")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalServer(Path(folder) / "server.log", ["--model", options.model]) as server,
    ):
        server.wait_until_ready()
        with OCRClient(server.base_url) as client:
            readings = list(read_set(client, options.set, options.max_tokens))
    if options.json:
        rows = (json.dumps(vars(reading), ensure_ascii=False) for reading in readings)
        options.json.write_text("\n".join(rows) + "\n", encoding="utf-8")
    report(readings, Console())


if __name__ == "__main__":
    main()
