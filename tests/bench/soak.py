"""The memory of a server that is asked for unlike images for a long time.

    python tests/bench/soak.py [--minutes 60] [--per-second 2] [--out runs/soak] [-- VLLM FLAGS]

Prints a row a minute: requests so far, and the memory of the API server and of the engine, of
which Python's and C's heaps (private, anonymous) apart. Writes the rows as JSON and as a plot. A
leak grows with the requests; a warm-up ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

import aiohttp
import matplotlib
from load import Pages, chat, evaluation_files
from PIL import Image
from processes import members
from servers import own_server

matplotlib.use("svg")

import matplotlib.pyplot as plt

KINDS = ("line", "paragraph", "receipt", "form", "dark", "small")
AT_ONCE = 8
_ROW_EVERY = 60.0
"""Seconds."""
Row = tuple[float, int, dict[str, float]]
"""Minutes, requests answered, MiB by name."""


def held(pid: int) -> tuple[float, float]:
    """MiB of a process: its proportional share of all, and what is private and of no file."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in rollup[1:]}
    return kib["Pss"] / 1024, kib["Pss_Anon"] / 1024


def measure(group: int) -> dict[str, float]:
    """MiB of the API server, which leads the group, and of the engine."""
    sizes: dict[str, float] = {}
    for name, pids in (
        ("API server", [group]),
        ("engine", [pid for pid in members(group) if pid != group]),
    ):
        both = [held(pid) for pid in pids]
        sizes[name] = sum(total for total, _ in both)
        sizes[f"{name}, heap"] = sum(heap for _, heap in both)
    return sizes


async def soak(url: str, group: int, minutes: float, per_second: float) -> list[Row]:
    """Send images at an even pace, at most `AT_ONCE` at a time, and measure every minute."""
    # Each time with another first pixel: no cache knows any.
    pages = Pages(Image.open(file) for kind in KINDS for file in evaluation_files(kind))
    rows: list[Row] = []
    answered = 0
    slots = asyncio.Semaphore(AT_ONCE)
    began = time.monotonic()

    async def send(session: aiohttp.ClientSession, image: bytes) -> None:
        nonlocal answered
        async with slots:
            async with session.post("/v1/chat/completions", json=chat("mini", image).body) as got:
                got.raise_for_status()
                await got.read()
            answered += 1

    def note() -> None:
        sizes = measure(group)
        rows.append(((time.monotonic() - began) / 60, answered, sizes))
        shown = "  ".join(f"{name} {size:6.0f}" for name, size in sizes.items())
        print(f"{rows[-1][0]:5.1f} min  {answered:6} requests  MiB: {shown}", flush=True)

    async with aiohttp.ClientSession(url) as session, asyncio.TaskGroup() as tasks:
        note()
        for number in range(int(60 * minutes * per_second)):
            due = began + number / per_second
            await asyncio.sleep(max(due - time.monotonic(), 0))
            tasks.create_task(send(session, pages.take(1)[0]))
            if time.monotonic() - began > len(rows) * _ROW_EVERY:
                note()
    note()
    return rows


def draw(rows: list[Row], path: Path) -> None:
    """The curve of each name over the minutes."""
    figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for name in rows[0][2]:
        style = ":" if "heap" in name else "-"
        axis.plot([row[0] for row in rows], [row[2][name] for row in rows], style, label=name)
    axis.set(xlabel="minutes", ylabel="MiB", ylim=(0, None))
    axis.set_title(f"{rows[-1][1]:,} images, none twice")
    axis.legend()
    figure.savefig(path)


def main() -> None:
    """Run the server and the load, and write what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--per-second", type=float, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/soak"))
    parser.add_argument("flags", nargs="*", help="vLLM's flags, after --")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    extra = ["--", *options.flags] if options.flags else []
    with own_server(*extra) as server:
        group = server.process.pid
        rows = asyncio.run(soak(server.base_url, group, options.minutes, options.per_second))
    (options.out / "soak.json").write_text(json.dumps(rows))
    draw(rows, options.out / "soak.svg")


if __name__ == "__main__":
    main()
