"""Arithmetic on paper: GPUs, hours and cost for so many pages, and what else they load."""

from __future__ import annotations

import math
from dataclasses import dataclass

import report

CORPORA = {"1 million": 1_000_000, "1 billion": 1_000_000_000}
"""Pages."""
DEADLINES = {"1 hour": 1, "1 day": 24, "1 week": 168, "30 days": 720}
"""Hours."""
DEFAULT_SHARE = 0.85
"""Of the measured speed that a fleet keeps: an allowance for starts, restarts, and the last pages
of a job, when servers run empty. An assumption; the first day's measurement replaces it."""
HOUR = 3600

PAGE_BYTES = 1_000_000
"""Of an A4 page at 200 dpi in colour as JPEG: an assumption."""
BASE64 = 4 / 3
TEXT_BYTES = 4_000
"""Of a page's line in the output, its text among them: an assumption, about 3,000 characters."""
LOG_BYTES = 400
"""Of the server's log line for a request."""
JOURNAL_BYTES = 230
"""Of memory that `qwen-ocr batch` needs for each page of a job: three digests in sets, measured
with 300,000 pages (Python 3.11, `tracemalloc`)."""
OBJECT_GETS = 5_500
"""Requests per second that Amazon S3 takes at least for each partitioned prefix
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html)."""
LINK_BYTES = 10e9 / 8
"""Per second, of a 10 Gbit/s network card."""
ROUTER_CONNECTIONS = 8192
"""`maxconn` in serve/qwen_ocr_serve/haproxy.cfg."""
ROUTER_SERVERS = 16
"""`server-template` in serve/deploy/haproxy/servers.cfg."""
BATCH_PAGES = 128
"""Pages that one `qwen-ocr batch` asks for at a time at most (`qwen_ocr.jobs.server.MOST`)."""


@dataclass(frozen=True)
class Need:
    """What a corpus takes."""

    pages: int
    gpu_hours: float
    cost: float
    gpus: dict[str, int]
    """For each of `DEADLINES`."""


def need(pages: int, pages_per_second: float, price: float, share: float = DEFAULT_SHARE) -> Need:
    """GPU hours = pages / (pages/s · 3600 · share); GPUs = GPU hours / hours, rounded up."""
    hours = pages / (pages_per_second * HOUR * share)
    gpus = {name: math.ceil(hours / deadline) for name, deadline in DEADLINES.items()}
    return Need(pages, hours, hours * price, gpus)


@dataclass(frozen=True)
class Limit:
    """What `gpus` servers load a part with, and at how many servers it is full."""

    part: str
    load: str
    limit: str
    breaks_at: float
    """Servers."""


def limits(pages_per_second: float, gpus: int, at_a_time: int) -> list[Limit]:
    """The parts beside the GPUs, the first to break first.

    `at_a_time` pages per server are under way; every page is an object of its own.
    """
    pages = pages_per_second * gpus
    sent = PAGE_BYTES * BASE64
    rows = [
        Limit(
            "balancer: servers in servers.cfg",
            f"{gpus:,}",
            f"{ROUTER_SERVERS}",
            ROUTER_SERVERS,
        ),
        Limit(
            "balancer: connections",
            f"{gpus * at_a_time:,}",
            f"{ROUTER_CONNECTIONS:,}",
            ROUTER_CONNECTIONS / at_a_time,
        ),
        Limit(
            "one `qwen-ocr batch`: pages at a time",
            f"{gpus * at_a_time:,}",
            f"{BATCH_PAGES}",
            BATCH_PAGES / at_a_time,
        ),
        Limit(
            "one 10 Gbit/s card of the balancer",
            f"{pages * sent / 1e9:,.2f} GB/s",
            f"{LINK_BYTES / 1e9:.2f} GB/s",
            LINK_BYTES / (pages_per_second * sent),
        ),
        Limit(
            "object store: GETs per prefix",
            f"{pages:,.0f}/s",
            f"{OBJECT_GETS:,}/s",
            OBJECT_GETS / pages_per_second,
        ),
    ]
    return sorted(rows, key=lambda row: row.breaks_at)


def volumes(pages: int) -> dict[str, float]:
    """Bytes that a corpus comes to, and memory of one batch over all of it."""
    return {
        "images read from the store": pages * PAGE_BYTES,
        "requests through the balancer": pages * PAGE_BYTES * BASE64,
        "text written": pages * TEXT_BYTES,
        "server logs": pages * LOG_BYTES,
        "memory of one batch over all of it": pages * JOURNAL_BYTES,
    }


def show(pages_per_second: float, price: float, share: float, at_a_time: int) -> None:
    """The tables of serve/deploy/CAPACITY.md."""
    header = ["pages", "GPU hours", "cost", *(f"GPUs for {name}" for name in DEADLINES)]
    rows = []
    for name, pages in CORPORA.items():
        wanted = need(pages, pages_per_second, price, share)
        numbers = [f"{number:,}" for number in wanted.gpus.values()]
        rows.append((name, f"{wanted.gpu_hours:,.0f}", f"{wanted.cost:,.0f}", *numbers))
    title = f"{pages_per_second:g} pages/s per GPU, {share:.0%} of it kept, {price:g} per GPU hour"
    report.show(title, header, rows)
    week = need(CORPORA["1 billion"], pages_per_second, price, share).gpus["1 week"]
    parts = limits(pages_per_second, week, at_a_time)
    report.show(
        f"what breaks first: 1 billion pages in a week, {week:,} GPUs, {at_a_time} pages at a time",
        ["part", "load", "limit", "full at servers"],
        [(row.part, row.load, row.limit, f"{row.breaks_at:,.0f}") for row in parts],
    )
    columns = [volumes(pages) for pages in CORPORA.values()]
    report.show(
        "volumes in GB",
        ["what", *(f"{name} pages" for name in CORPORA)],
        [(name, *(f"{column[name] / 1e9:,.1f}" for column in columns)) for name in columns[0]],
    )
