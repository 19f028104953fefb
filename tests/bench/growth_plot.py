"""The tables of `growth` as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from growth import knee

Rows = Sequence[Sequence[Any]]
SPEED, LATENCY, MEMORY = "C0", "C1", "C2"
"""Colours."""


def draw(tables: Mapping[str, Rows], path: Path) -> None:
    """Panels for `concurrency`, its memory, `megapixels` and `length`, as far as there are rows.

    The picture is an SVG file of some 60 kB.
    """
    panels = [name for name in ("concurrency", "megapixels", "length") if tables.get(name)]
    columns = {"concurrency": (3, "requests at once"), "megapixels": (3, "megapixels")}
    columns["length"] = (5, "characters of a page")
    memory = [row for row in tables["concurrency"] if row[5] == row[5]]
    count = len(panels) + bool(memory)
    figure, axes = plt.subplots(1, count, figsize=(4 * count, 3.4), layout="constrained")
    several = [axes] if count == 1 else list(axes)
    for axis, name in zip(several, panels, strict=False):
        rows = tables[name]
        latency, label = columns[name]
        values = [row[0] for row in rows]
        speeds = [row[2 if name == "length" else 1] for row in rows]
        axis.plot(values, speeds, color=SPEED, marker=".")
        axis.set(xlabel=label, ylim=(0, None))
        axis.set_ylabel("pages/s", color=SPEED)
        second = axis.twinx()
        second.plot(values, [row[latency] for row in rows], color=LATENCY, marker=".")
        second.set_ylabel("p95, s", color=LATENCY)
        second.set_ylim(0, None)
        if name != "length":
            axis.set_xscale("log", base=2 if name == "concurrency" else 10)
            axis.set_xticks(values, [f"{value:g}" for value in values], minor=False)
            axis.minorticks_off()
        if name == "concurrency":
            axis.axvline(rows[knee(rows)][0], color="grey", linestyle=":")
            axis.set_title("the knee is dotted", fontsize="medium")
    if memory:
        axis = several[-1]
        axis.plot([row[0] for row in memory], [row[5] for row in memory], color=MEMORY, marker=".")
        axis.set(xlabel="requests at once", ylabel="peak memory, MiB", ylim=(0, None))
        axis.set_xscale("log", base=2)
        axis.set_xticks([row[0] for row in memory], [str(row[0]) for row in memory], minor=False)
    with plt.rc_context({"svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
