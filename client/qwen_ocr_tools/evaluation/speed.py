"""How fast pages were read, and what that costs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from qwen_ocr_tools.evaluation.readings import Reading


@dataclass(frozen=True, slots=True)
class Speed:
    """Of the readings of one run, those that failed left out."""

    pages_per_second: float
    latency: tuple[float, float, float]
    """Seconds per page: median, 95th and 99th percentile."""
    prompt_tokens: float | None
    """Per page, the image's included; None for engines without tokens."""
    completion_tokens: float | None
    cost_per_million_pages: float | None
    """At the given price per hour, in its currency."""


def measure_speed(readings: Sequence[Reading], price_per_hour: float | None) -> Speed | None:
    """The speed of a run that may have been interrupted; None when nothing was read.

    Only the time in which it ran counts: from the start of each session to its last page.
    """
    readings = [reading for reading in readings if reading.error is None]
    if not readings:
        return None
    ends: dict[str, float] = {}
    for reading in readings:
        ends[reading.session] = max(ends.get(reading.session, 0.0), reading.at)
    rate = len(readings) / max(sum(ends.values()), 1e-6)
    median, p95, p99 = np.percentile([reading.latency for reading in readings], [50, 95, 99])
    cost = None if price_per_hour is None else price_per_hour / 3600 / rate * 1e6
    return Speed(
        rate,
        (float(median), float(p95), float(p99)),
        _mean(reading.prompt_tokens for reading in readings),
        _mean(reading.completion_tokens for reading in readings),
        cost,
    )


def _mean(values: Iterable[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
