"""The tables of a simulated fleet as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

PERCENTILES = ("p50", "p95", "p99")
Tables = Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]]


def draw(tables: Tables, path: Path) -> None:
    """A panel for each of `load`, `size` and `transient`, and bars for `retry-after`."""
    panels = [name for name in ("load", "size", "retry-after", "transient") if name in tables]
    figure, axes = plt.subplots(1, len(panels), figsize=(4.5 * len(panels), 4), squeeze=False)
    for axis, name in zip(axes[0], panels, strict=True):
        header, rows = tables[name]
        if name == "retry-after":
            labels = [f"{row[0]} retries,\n{row[1]}" for row in rows]
            axis.bar(labels, [100 * row[3] / row[2] for row in rows])
            axis.set(title="pages lost in an overload", ylabel="%", xlabel="Retry-After")
            continue
        for column, mark in enumerate(PERCENTILES, 1):
            (line,) = axis.plot([row[0] for row in rows], [row[column] for row in rows], label=mark)
            if len(header) > 4:
                others = [row[column + 3] for row in rows]
                axis.plot([row[0] for row in rows], others, "--", color=line.get_color())
        axis.set(title=name, xlabel=header[0], ylabel="latency in s", ylim=(0, None))
        axis.legend()
        if name == "size":
            axis.set_xscale("log")
    figure.suptitle("solid: least loaded, dashed: round robin")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)
