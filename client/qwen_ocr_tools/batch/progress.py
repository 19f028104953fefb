"""How far a job is: a live bar on a terminal, now and then a line elsewhere. All on stderr."""

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

LINE_INTERVAL = 10.0
"""Seconds between lines where there is no terminal."""


@dataclass(slots=True)
class Tally:
    """Counts of one job; `files` is how many there are, None where that cannot be told."""

    files: int | None = None
    opened: int = 0
    """Files whose pages are known."""
    met: int = 0
    """Pages of these files."""
    read: int = 0
    flagged: int = 0
    """Pages among those read whose results have warnings."""
    failed: int = 0
    found: int = 0
    """Pages that an earlier run had read."""
    found_flagged: int = 0
    """Pages among these whose results have warnings."""
    found_failed: int = 0
    """Pages that an earlier run could not read, and that this one leaves so."""
    unknown: int = 0
    """Pages that this run cannot read: there is no answer to them."""
    started: float = field(default_factory=time.monotonic)

    @property
    def finished(self) -> int:
        """Pages that need nothing more."""
        return self.read + self.failed + self.found + self.found_failed + self.unknown

    @property
    def total(self) -> float | None:
        """Pages in all: exact when all files are open, else as if the others were like these."""
        if self.files is None or not self.opened:
            return None
        return self.met * max(self.files / self.opened, 1)

    @property
    def rate(self) -> float:
        """Pages a second, those not counted that were there before."""
        return (self.read + self.failed) / max(time.monotonic() - self.started, 1e-3)

    def __str__(self) -> str:
        total = self.total
        parts = [
            f"{self.finished:,}{f'/{total:,.0f}' if total else ''} pages",
            f"{self.rate:.1f} pages/s",
            f"{self.flagged + self.found_flagged:,} flagged",
            f"{self.failed + self.found_failed:,} failed",
        ]
        if total and self.rate:
            parts.append(f"{_duration((total - self.finished) / self.rate)} left")
        return ", ".join(parts)


class Progress:
    """Shows a tally while the `with` block runs."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._console = Console(stderr=True)
        self._bar = Bar(
            SpinnerColumn(),
            BarColumn(),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)
        self._shown = time.monotonic()

    def update(self) -> None:
        """Show the tally as it is now."""
        if self._console.is_terminal:
            tally = self.tally
            self._bar.update(
                self._task, total=tally.total, completed=tally.finished, description=str(tally)
            )
        elif time.monotonic() - self._shown >= LINE_INTERVAL:
            self._shown = time.monotonic()
            self.say(str(self.tally))

    def say(self, message: str) -> None:
        """Print a line, above the bar if there is one."""
        line = f"qwen-ocr: {' '.join(message.split())}"
        self._console.print(Text(line), soft_wrap=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
