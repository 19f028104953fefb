"""What the forked engine saves at a start: `python tests/bench/start_time.py [--pairs N]`.

Starts the server with the bundled model again and again, in turn with an engine that is a copy of
the server's process, the default, and with one that is a new process, as vLLM's own CPU build has
it. Each start lasts until the first answer. The order within a pair changes from pair to pair, so
that neither side is always the first. One start of each side comes before them and does not count:
it fills the caches of the disk and of vLLM.

Prints seconds and processor seconds (of all processes together) of both sides, their ratios over
the pairs with standard errors, machine and versions.
"""

from __future__ import annotations

import argparse
import signal
import statistics
from collections.abc import Sequence

import cold_start
import report

from qwen_ocr_serve.vllm_patches import START_METHOD

FORKED, NEW = "copy of the server (default)", "new process"
SIDES = {FORKED: {START_METHOD: "fork"}, NEW: {START_METHOD: "spawn"}}
LEAST_PAIRS = 2
"""Fewer have no standard error."""


def start(side: str) -> tuple[float, float]:
    """Seconds and processor seconds of one start, until the first answer."""
    phases, _ = cold_start.start(SIDES[side])
    seconds = sum(wall for _, wall, _ in phases)
    used = sum(processor for _, _, processor in phases)
    print(f"{side}: {seconds:.1f} s, {used:.1f} s of processors", flush=True)
    return seconds, used


def measure(pairs: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds and processor seconds of each start, by side; those at one index are a pair."""
    for side in SIDES:
        start(side)
    found: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
    for pair in range(pairs):
        order = list(SIDES) if pair % 2 == 0 else list(reversed(SIDES))
        for side in order:
            found[side].append(start(side))
    return found


def rows(found: dict[str, list[tuple[float, float]]]) -> list[tuple[object, ...]]:
    """The table: what was measured, the mean of each side, and the mean ratio of the pairs."""
    table: list[tuple[object, ...]] = []
    for column, what in enumerate(("seconds until the first answer", "processor seconds")):
        forked = [figures[column] for figures in found[FORKED]]
        new = [figures[column] for figures in found[NEW]]
        table.append((what, statistics.mean(forked), statistics.mean(new), _ratio(forked, new)))
    return table


def _ratio(forked: Sequence[float], new: Sequence[float]) -> str:
    mean, error = report.mean_and_error([a / b for a, b in zip(forked, new, strict=True)])
    return f"x {mean:.2f} ± {error:.2f}"


def main() -> None:
    """Print the table."""
    # SIGTERM unwinds like Ctrl-C, so that no server is left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=6, help=f"at least {LEAST_PAIRS}")
    pairs = parser.parse_args().pairs
    if pairs < LEAST_PAIRS:
        parser.error(f"--pairs has to be {LEAST_PAIRS} or more")
    report.show(
        f"a start of the bundled model, {pairs} pairs",
        ("what", f"engine: {FORKED}", f"engine: {NEW}", "ratio"),
        rows(measure(pairs)),
    )
    report.show_circumstances()


if __name__ == "__main__":
    main()
