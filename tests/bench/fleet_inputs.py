"""What a simulated fleet is made of: how long pages are, and how fast a server is."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from fleet_server import Rate

TRUTH = Path(__file__).parents[1] / "evaluation" / "truth.jsonl"
SECONDS = ("seconds", "latency")
"""Fields of a line that hold a page's seconds: `qwen-ocr batch` and evaluations write `latency`."""
MEASURED_SHAPE: Rate = ((1, 218 / 2015), (16, 1206 / 2015), (64, 1.0))
"""Throughput against pages at a time as a share of the highest: 218, 1206 and 2015 tokens per
second, measured with a Qwen3-VL of 3.8 million parameters on two CPU cores. That a GPU's has the
same shape is an assumption; `tests/bench/serving.py growth --json` measures the true one."""


class InputError(Exception):
    """A file does not hold what it should; the message says what that is."""


def page_sizes(path: Path | None) -> list[float]:
    """The work of pages, scaled to a mean of 1.

    From a JSON list of seconds, or JSON lines with one of `SECONDS`; lines without are left out.
    Measure one page at a time: beside others, pages wait for each other. Without a file, the work
    is the length of the text, which is what decoding spends its time on, of the 140 pages of
    `tests/evaluation`: a mixture of single lines, paragraphs, forms and receipts.
    """
    if path is None:
        lines = TRUTH.read_text("utf-8").splitlines()
        values = [float(len(json.loads(line)["text"])) for line in lines]
    else:
        values = _seconds(path)
    mean = statistics.fmean(values)
    return [value / mean for value in values]


def _seconds(path: Path) -> list[float]:
    try:
        text = path.read_text("utf-8")
        rows = json.loads(text) if text.startswith("[") else map(json.loads, text.splitlines())
        values = [float(value) for row in rows if (value := _value(row)) is not None]
    except (OSError, ValueError, TypeError) as exc:
        raise InputError(f"{path}: {exc}") from exc
    if not values or min(values) <= 0:
        raise InputError(
            f"{path}: neither a list of seconds, all above 0, nor lines with {' or '.join(SECONDS)}"
        )
    return values


def _value(row: Any) -> Any:
    if isinstance(row, dict):
        return next((row[name] for name in SECONDS if name in row), None)
    return row


def server_rate(path: Path | None, pages_per_second: float | None) -> Rate:
    """A server's throughput against pages at a time.

    From what `tests/bench/serving.py growth --json` wrote, or of the measured shape; scaled to a
    highest of `pages_per_second` if that is given.
    """
    rate = MEASURED_SHAPE if path is None else _measured(path)
    if pages_per_second is None:
        return rate
    highest = rate[-1][1]
    return tuple((number, value * pages_per_second / highest) for number, value in rate)


def _measured(path: Path) -> Rate:
    try:
        rows = json.loads(path.read_text("utf-8"))["growth"]["result"]["concurrency"]
        points = sorted((float(row[0]), float(row[1])) for row in rows)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as exc:
        raise InputError(f"{path}: not from `serving.py growth --json` ({exc!r})") from exc
    # More pages at a time never make a server slower in the model; a dip is noise or thrashing.
    highest = 0.0
    rising = []
    for number, value in points:
        if value > highest:
            highest = value
            rising.append((number, value))
    if not rising:
        raise InputError(f"{path}: no throughput above 0")
    return tuple(rising)
