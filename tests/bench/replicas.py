"""Two servers behind HAProxy beside vLLM's data parallelism: `python tests/bench/replicas.py`.

Both have two engines with the bundled model on this machine's cores. Pages per second of 100 tokens
each, at 16 and at 128 at once, in turn, and the memory of each afterwards.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack

import processes
import report
from load import TOKENS, chat, full_pages, run
from servers import own_server

LEVELS = (16, 128)
SIDES = {
    "--replicas 2": ("--replicas", "2"),
    "--data-parallel-size 2": ("--", "--data-parallel-size", "2"),
}


def main() -> None:
    """Print the table and the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    pages = full_pages(TOKENS)
    speeds: dict[tuple[int, str], list[float]] = {}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(own_server(*words)) for name, words in SIDES.items()}
        for turn in range(rounds + 1):
            for level in LEVELS:
                for name, server in servers.items():
                    requests = [chat("mini", page, TOKENS) for page in pages.take(2 * level)]
                    found = run(server.base_url, requests, level)
                    if found.failed:
                        raise RuntimeError(f"{name}: {found.failed} requests failed")
                    if turn:  # the first is for warming up
                        speeds.setdefault((level, name), []).append(found.pages_per_second)
        memory = {
            name: sum(map(processes.memory, processes.groups(server.process.pid)))
            for name, server in servers.items()
        }
    ours, parallel = SIDES
    rows: list[tuple[object, ...]] = []
    for level in LEVELS:
        pairs = zip(speeds[level, ours], speeds[level, parallel], strict=True)
        ratio = report.mean_and_error([other / own for own, other in pairs])
        means = [report.mean_and_error(speeds[level, name])[0] for name in SIDES]
        rows.append((f"{level} at once", *means, "{:.3f} ± {:.3f}".format(*ratio)))
    rows.append(("memory, MiB", *memory.values(), f"{memory[parallel] / memory[ours]:.3f}"))
    report.show("pages/s of 100 tokens", ["", *SIDES, "ratio"], rows)
    report.show_circumstances()


if __name__ == "__main__":
    main()
