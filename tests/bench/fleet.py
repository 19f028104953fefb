"""How a fleet of servers behaves, simulated; and what a corpus costs, on paper.

    python tests/bench/fleet.py [SECTION…] [--servers N] [--plot FILE]
    python tests/bench/fleet.py --capacity PAGES_PER_SECOND --price PER_GPU_HOUR

Sections: `load` (latency against load), `size` (1 to 1,000 servers), `retry-after` (an overload,
with and without `Retry-After`), `loss` (a tenth of the servers stops). All by default. Without
measured files the server is as fast as the one published by Chandra's authors, see `fleet_inputs`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import capacity
import report
from fleet_inputs import InputError, page_sizes, server_rate
from fleet_model import Outage, Scenario, simulate
from fleet_server import Policy, Server

PUBLISHED_PAGES_PER_SECOND = 1.44
"""One H100, 96 pages at a time, Chandra 2, as its authors measured it."""
POLICIES: tuple[Policy, ...] = ("least loaded", "round robin")
LOADS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
SIZES = (1, 10, 100, 1000)
BATCH_RETRIES = 8
"""Of `qwen-ocr batch`, and 2 of the openai SDK and our client."""
RETRIES = (2, BATCH_RETRIES)
CLIENT_TIMEOUT = 600
"""Seconds that a client waits for one attempt (`qwen_ocr.settings`)."""
WARM_UP = 0.1
"""Share of the measured time that is left out: fleets begin nearly as full as they get."""
TAIL = 2.5
"""Further arrivals for so many mean latencies, so that the last measured pages are not alone."""
LATENCIES = ["p50 s", "p95 s", "p99 s", "p50 r.r.", "p95 r.r.", "p99 r.r."]
Rows = list[tuple[Any, ...]]


def filled(base: Scenario, load: float) -> Scenario:
    """The fleet as it is after a long time at this load."""
    return replace(base, initial=base.server.pages_at(load))


def steady(base: Scenario, load: float, pages: int) -> tuple[float, float, float]:
    """Latency percentiles of so many pages at a constant share of the fleet's capacity."""
    fleet = filled(base, load)
    rate = load * base.servers * base.server.capacity
    tail = TAIL * fleet.initial * base.servers / rate
    result = simulate(replace(fleet, phases=[(pages / rate + tail, rate)]))
    return result.percentiles(WARM_UP * pages / rate, pages / rate)


def by_load(base: Scenario, pages: int) -> tuple[list[str], Rows]:
    """Latency against load, both policies."""
    rows = []
    for load in LOADS:
        marks = [steady(replace(base, policy=policy), load, pages) for policy in POLICIES]
        rows.append((f"{load:.0%}", *marks[0], *marks[1]))
    return ["load", *LATENCIES], rows


def by_size(base: Scenario, pages: int) -> tuple[list[str], Rows]:
    """Latency against the number of servers, at the same load of each."""
    rows = []
    for servers in SIZES:
        fleet = replace(base, servers=servers)
        enough = max(pages, 60 * servers)
        marks = [steady(replace(fleet, policy=policy), 0.9, enough) for policy in POLICIES]
        rows.append((servers, *marks[0], *marks[1]))
    return ["servers", *LATENCIES], rows


def with_retry_after(base: Scenario, _pages: int) -> tuple[list[str], Rows]:
    """Twice the capacity until the queues are full, and half as long again; then half of it."""
    full = base.servers * base.server.capacity
    filling = base.server.queue_limit / base.server.capacity
    phases = [(1.5 * filling, 2 * full), (1.5 * filling, 0.5 * full)]
    rows = []
    for retries in RETRIES:
        for advice in (True, False):
            scenario = replace(base, phases=phases, retries=retries, retry_after=advice)
            result = simulate(scenario)
            pages = len(result.latency)
            rows.append(
                (
                    retries,
                    "yes" if advice else "no",
                    pages,
                    result.lost,
                    result.refused,
                    result.requests / pages,
                    *result.percentiles(),
                )
            )
    header = ["retries", "advice", "pages", "lost", "503s", "sent/page"]
    return [*header, "p50 s", "p95 s", "p99 s"], rows


OUTAGE = Outage(at=180, seconds=300)
"""A server is back after five minutes: a GPU server's start, an assumption."""
LOSS_LOAD = 0.8
VARIANTS: dict[str, dict[str, Any]] = {
    "least loaded": {},
    "least loaded, noticed at once": {"outage": replace(OUTAGE, unnoticed=0.0)},
    "round robin": {"policy": "round robin"},
    "round robin, no second try": {"policy": "round robin", "redispatches": 0},
}
"""By balancer; a second try is one of the balancer with another server. A server that refuses
connections has none, so the least loaded is where everything goes until the balancer notices."""
WINDOW = 60
"""Seconds of arrivals in one point of the transient."""


def _outage(base: Scenario) -> Scenario:
    rate = LOSS_LOAD * base.servers * base.server.capacity
    phases = [(OUTAGE.at + 2 * OUTAGE.seconds, rate)]
    return replace(filled(base, LOSS_LOAD), phases=phases, outage=OUTAGE)


def after_loss(base: Scenario, _pages: int) -> tuple[list[str], Rows]:
    """A tenth of the servers stops, with the pages in them."""
    rows = []
    for name, changes in VARIANTS.items():
        for retries in RETRIES:
            result = simulate(replace(_outage(base), retries=retries, **changes))
            within = result.percentiles(OUTAGE.at, OUTAGE.at + OUTAGE.seconds)
            rows.append(
                (name, retries, len(result.latency), result.broken, result.lost, *within[1:])
            )
    return ["balancer", "retries", "pages", "broken", "lost", "p95 s", "p99 s"], rows


def transient(base: Scenario) -> tuple[list[str], Rows]:
    """Latency by time of arrival around the loss, for clients that retry as a batch does."""
    result = simulate(replace(_outage(base), retries=BATCH_RETRIES))
    last = OUTAGE.at + 2 * OUTAGE.seconds - 2 * WINDOW  # pages after that have the fleet alone
    starts = range(0, int(last), WINDOW)
    rows = [
        (start - int(OUTAGE.at), *result.percentiles(start, start + WINDOW)) for start in starts
    ]
    return ["s after the loss", "p50 s", "p95 s", "p99 s"], rows


SECTIONS: dict[str, Callable[[Scenario, int], tuple[list[str], Rows]]] = {
    "load": by_load,
    "size": by_size,
    "retry-after": with_retry_after,
    "loss": after_loss,
}
TITLES = {
    "load": "latency against load; (r.r.) is round robin, the other least loaded",
    "size": "latency against the number of servers, each at 90 % load",
    "retry-after": "twice the capacity until the queues are full and half as long again, then half",
    "loss": f"a tenth of the servers stops for {OUTAGE.seconds:.0f} s, load {LOSS_LOAD:.0%}",
    "transient": f"the same, least loaded, {BATCH_RETRIES} retries",
}


def _arguments() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("section", nargs="*", help=f"of {', '.join(SECTIONS)}; all if none")
    parser.add_argument("--servers", type=int, default=20, help="of all sections but `size`")
    parser.add_argument("--pages", type=int, default=20_000, help="of each steady run, at least")
    parser.add_argument("--pages-per-second", type=float, help="of one full server")
    parser.add_argument("--curve", type=Path, help="what serving.py growth --json wrote")
    parser.add_argument("--seconds", type=Path, help="seconds per page, as JSON or JSON lines")
    parser.add_argument(
        "--max-concurrent", type=int, default=64, help="pages of a server at a time"
    )
    parser.add_argument("--queue-limit", type=int, default=512, help="pages accepted by a server")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="draw the tables into this file (PNG, SVG, PDF)")
    parser.add_argument("--json", type=Path, help="add the results to this file")
    parser.add_argument("--capacity", type=float, help="pages per second of a GPU: only arithmetic")
    parser.add_argument("--price", type=float, help="of a GPU hour, in any currency")
    parser.add_argument("--share", type=float, default=capacity.DEFAULT_SHARE)
    return parser, parser.parse_args()


def main() -> int:
    """Print what was asked for."""
    parser, options = _arguments()
    numbers = ("servers", "pages", "pages_per_second", "max_concurrent", "capacity", "price")
    for name in (*numbers, "share", "queue_limit"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            parser.error(f"--{name.replace('_', '-')}: {value} is not above 0")
    if (options.capacity is None) != (options.price is None):
        parser.error("--capacity and --price go together")
    if options.capacity is not None:
        capacity.show(options.capacity, options.price, options.share, options.max_concurrent)
        return 0
    if unknown := set(options.section) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    speed = options.pages_per_second or (None if options.curve else PUBLISHED_PAGES_PER_SECOND)
    try:
        rate, sizes = server_rate(options.curve, speed), page_sizes(options.seconds)
    except InputError as exc:
        parser.error(str(exc))
    server = Server(rate, options.max_concurrent, options.queue_limit)
    if options.queue_limit / server.capacity > CLIENT_TIMEOUT:
        longest = int(CLIENT_TIMEOUT * server.capacity)
        parser.error(
            f"a full queue would take {options.queue_limit / server.capacity:,.0f} s, and clients "
            f"give up after {CLIENT_TIMEOUT}: set --queue-limit to {longest} or less"
        )
    base = Scenario(server, sizes, phases=(), servers=options.servers, seed=options.seed)
    print(
        f"seed {base.seed}, {base.servers} servers, each {server.capacity:.3g} pages/s with "
        f"{server.max_concurrent} at a time, {server.queue_limit} accepted"
    )
    tables = {}
    for name in options.section or SECTIONS:
        tables[name] = SECTIONS[name](base, options.pages)
    if "loss" in tables:
        tables["transient"] = transient(base)
    for name, (header, rows) in tables.items():
        report.show(TITLES[name], header, rows)
        if options.json:
            report.save(options.json, {name: {"header": header, "rows": rows, "seed": base.seed}})
    if options.plot:
        # Here, because it is slow to import.
        import fleet_plot

        fleet_plot.draw(tables, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
