"""Plot a run: `python -m training.curve RUN curve.svg`.

How often the next token is wrong, each given the true ones before it: during training, and on
pieces and blocks in fonts that are not trained on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

SMOOTHING = 0.9  # of an exponential mean over the logged steps
TESTED = {
    f"{script}_{kind}_wrong": f"{kind}, {script.capitalize()}, held-out fonts"
    for script in ("latin", "chinese")
    for kind in ("pieces", "blocks")
}


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
    options = parser.parse_args()
    lines = (options.run / "log.jsonl").read_text("utf-8").splitlines()
    # What came after the last checkpoint is done again when a run resumes: the last row counts.
    log = list({row["step"]: row for row in map(json.loads, lines)}.values())
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    trained = [(row["minutes"], 100 * row["wrong"]) for row in log if "wrong" in row]
    minutes, wrong = zip(*trained, strict=True)
    axes.plot(minutes, smooth(list(wrong)), label="training", alpha=0.6)
    for key, label in TESTED.items():
        points = [(row["minutes"], 100 * row[key]) for row in log if key in row]
        if points:
            axes.plot(*zip(*points, strict=True), marker=".", label=label)
    axes.set(yscale="log", xlabel="processor minutes per core", ylabel="next token wrong, %")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(options.plot, metadata={"Date": None})


if __name__ == "__main__":
    main()
