"""Plot a run: `python -m training.curve RUN curve.svg`.

Left: how often the next character is wrong during training, and on held-out fonts, every character
given the true ones before it. Right: character error rates of exported checkpoints on
`tests/evaluation`, read through the real server, from the file `scores.jsonl` beside this one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

SCORES = Path(__file__).with_name("scores.jsonl")
SMOOTHING = 0.9  # of an exponential mean over the logged steps


def rows(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file, one a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def smooth(values: list[float]) -> list[float]:
    """Exponential moving mean."""
    means = values[:1]
    for value in values[1:]:
        means.append(SMOOTHING * means[-1] + (1 - SMOOTHING) * value)
    return means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("plot", type=Path, help="SVG file to write")
    parser.add_argument(
        "--after", type=float, default=0, help="minutes of training that the run went on from"
    )
    options = parser.parse_args()
    # What came after the last checkpoint is done again when a run resumes: the last row counts.
    log = list({row["step"]: row for row in rows(options.run / "log.jsonl")}.values())
    scores = rows(SCORES)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    trained = [row for row in log if "wrong" in row]
    tested = [row for row in log if "held_out_wrong" in row]
    left.plot(
        [options.after + row["minutes"] for row in trained],
        smooth([100 * row["wrong"] for row in trained]),
        label="training",
    )
    left.plot(
        [options.after + row["minutes"] for row in tested],
        [100 * row["held_out_wrong"] for row in tested],
        label="held-out fonts",
    )
    left.set(title="next character, given those before it", ylabel="wrong, %")
    for kind in [name for name in scores[0] if name not in ("minutes", "all")]:
        points = [(row["minutes"], row[kind]) for row in scores]
        right.plot(*zip(*points, strict=True), marker=".", alpha=0.6, label=kind)
    minutes = [row["minutes"] for row in scores]
    right.plot(minutes, [row["all"] for row in scores], "k", marker="o", label="all")
    right.set(title="tests/evaluation, through the server", ylabel="character error rate, %")
    for axes in (left, right):
        axes.set(yscale="log", xlabel="processor minutes per core")
        axes.grid(alpha=0.3)
    left.legend()
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(options.plot, metadata={"Date": None})


if __name__ == "__main__":
    main()
