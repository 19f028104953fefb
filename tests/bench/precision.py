"""What the bundled model's default on this processor is worth: `python tests/bench/precision.py`.

    python tests/bench/precision.py [--busy] [--rounds N] [--spin COUNT…] [--json FILE]

Tokens per second of the default, and of float32 and bfloat16 with one and with two threads, at 1,
16 and 64 requests at once; each the best of its rounds. `--busy` does that while another process
takes one core. `--spin` adds the default with two threads and other counts of GOMP_SPINCOUNT.
All servers run all the time and have their turns at each level, the others idle, so that a change
of the machine's speed meets all. Exits with 1 if the default is more than 5 % behind the best.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import report
from load import TOKENS, chat, full_pages, run
from servers import own_server

from qwen_ocr_serve.launch import cpu
from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.launch.precision import SPIN_VARIABLE
from qwen_ocr_serve.settings import ServeSettings

Configuration = tuple[list[str], dict[str, str]]
LEVELS = (1, 16, 64)
LEAST = 0.95
"""Limit: the default's part of the best one's tokens/s, in the mean of the levels."""


@contextmanager
def one_core_taken() -> Iterator[None]:
    """Another process computes all the time, on the first core that this one may use."""
    core = min(os.sched_getaffinity(0))
    command = ["taskset", "--cpu-list", str(core), sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.kill()


def configurations(spins: list[str]) -> dict[str, Configuration]:
    """Arguments and environment of each server, by name."""
    found: dict[str, Configuration] = {"default": ([], {})}
    for dtype in ("float32", "bfloat16"):
        for threads in (1, 2):
            env = {"OMP_NUM_THREADS": str(threads)}
            found[f"{dtype}, {threads} thread{'s'[: threads - 1]}"] = (
                ["--", "--dtype", dtype],
                env,
            )
    for spin in spins:
        found[f"{SPIN_VARIABLE}={spin}"] = ([], {"OMP_NUM_THREADS": "2", SPIN_VARIABLE: spin})
    return found


def measure(
    chosen: dict[str, Configuration], rounds: int, levels: tuple[int, ...] = LEVELS
) -> dict[str, list[float]]:
    """Tokens per second at each level, by configuration."""
    best = {name: [0.0] * len(levels) for name in chosen}
    pages = full_pages(TOKENS)
    with ExitStack() as stack:
        urls = {}
        for name, (arguments, env) in chosen.items():
            cache = ["--kv-cache-gib", "0.5"]
            server = stack.enter_context(own_server(*cache, *arguments, env=env))
            urls[name] = server.base_url
        for turn in range(rounds + 1):
            for column, level in enumerate(levels):
                for name, url in urls.items():
                    requests = [
                        chat("mini", page, TOKENS) for page in pages.take(max(6, 2 * level))
                    ]
                    found = run(url, requests, level)
                    if found.failed:
                        raise RuntimeError(f"{name}: {found.failed} requests failed")
                    if turn:  # the first is for warming up
                        speed = found.tokens_per_second
                        best[name][column] = max(best[name][column], speed)
                        print(f"{name}, {level} at once: {speed:.0f} tokens/s", flush=True)
    return best


def main() -> int:
    """Print the table and the ratios; 0 if the default keeps the limit."""
    # SIGTERM unwinds like Ctrl-C, so that no server is left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--busy", action="store_true", help="take one core meanwhile")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spin", nargs="*", default=[], help=f"values of {SPIN_VARIABLE} to try")
    parser.add_argument("--only", nargs="*", default=[], help="names of configurations")
    parser.add_argument("--json", type=Path, help="add the results to this file")
    options = parser.parse_args()
    print(cpu.described(ServeSettings(), Installation.detect()))
    with one_core_taken() if options.busy else ExitStack():
        known = configurations(options.spin)
        chosen = {name: known[name] for name in known if name in options.only or not options.only}
        best = measure(chosen, options.rounds)
    most = [max(column) for column in zip(*best.values(), strict=True)]
    rows = []
    for name, speeds in best.items():
        parts = [speed / limit for speed, limit in zip(speeds, most, strict=True)]
        rows.append((name, *speeds, *parts))
    header = ["computing in", *(f"{level} at once" for level in LEVELS)]
    header += [f"of the best, {level}" for level in LEVELS]
    state = "one core taken" if options.busy else "quiet"
    report.show(f"tokens/s of the bundled model, {state}", header, rows)
    report.show_circumstances()
    if options.json:
        result = {"header": header, "rows": rows, "busy": options.busy}
        report.save(options.json, {f"precision, {state}": result})
    ratios = next((row[1 + len(LEVELS) :] for row in rows if row[0] == "default"), ())
    if not ratios:
        return 0
    mean = sum(ratios) / len(ratios)
    print(f"the default has {mean:.2f} of the best of each level, in the mean")
    return 0 if mean >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
