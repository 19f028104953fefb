"""What vLLM's cache of prepared images is worth: `python tests/bench/image_cache.py [--rounds N]`.

The server turns it off, because a refused request makes it drift. Two servers of the bundled model,
one as it is and one with the cache of 4 GiB that vLLM has by default, in turn: pages per second for
images that are all different and for eight that come again and again, and memory afterwards.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack

import processes
import report
from load import TOKENS, chat, full_pages, run
from servers import own_server

CONCURRENCY = 16
REQUESTS = 128
REPEATED = 8
FLAG = "--mm-processor-cache-gb"


def main() -> None:
    """Print the table and the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=4)
    rounds = parser.parse_args().rounds
    pages = full_pages(TOKENS)
    again = pages.take(REPEATED)
    speeds: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        servers = {
            "no cache": stack.enter_context(own_server()),
            "4 GiB": stack.enter_context(own_server("--", FLAG, "4")),
        }
        for turn in range(rounds + 1):
            new = pages.take(REQUESTS)
            for kind, images in (("new", new), ("repeated", again * (REQUESTS // REPEATED))):
                requests = [chat("mini", image, TOKENS) for image in images]
                for name, server in servers.items():
                    found = run(server.base_url, requests, CONCURRENCY)
                    if turn:  # the first is for warming up
                        speeds.setdefault((kind, name), []).append(found.pages_per_second)
        memory = {name: processes.memory(server.process.pid) for name, server in servers.items()}
    rows = []
    for kind in ("new", "repeated"):
        ratios = [
            without / with_cache
            for without, with_cache in zip(
                speeds[kind, "no cache"], speeds[kind, "4 GiB"], strict=True
            )
        ]
        means = [report.mean_and_error(speeds[kind, name])[0] for name in servers]
        rows.append((kind, *means, "{:.3f} ± {:.3f}".format(*report.mean_and_error(ratios))))
    rows.append(("memory, MiB", *memory.values(), f"{memory['no cache'] / memory['4 GiB']:.3f}"))
    report.show(
        f"pages/s at {CONCURRENCY} at once, {TOKENS} tokens each",
        ["images", *servers, "ratio"],
        rows,
    )
    report.show_circumstances()


if __name__ == "__main__":
    main()
