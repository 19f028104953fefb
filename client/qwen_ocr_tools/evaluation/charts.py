"""The report's plots as inline SVG, whose colours are the page's (classes `s0`, `s1`, … by run)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from qwen_ocr_tools.evaluation.calibration import Calibration
from qwen_ocr_tools.evaluation.statistics import Score

WIDTH = 460
SERIES = 6
"""Colours; further runs begin anew."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 68, 24, 12, 42


@dataclass(frozen=True, slots=True)
class _Plot:
    """Axes from 0 to `x` and `y`, and what is drawn between them."""

    x: float
    y: float
    height: int = 300

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = _LEFT + min(x / self.x, 1) * (WIDTH - _LEFT - _RIGHT)
        down = self.height - _BOTTOM - min(y / self.y, 1) * (self.height - _TOP - _BOTTOM)
        return round(across, 1), round(down, 1)

    def draw(
        self,
        body: Sequence[str],
        labels: tuple[str, str],
        formats: tuple[Callable[[float], str], Callable[[float], str]],
        title: str,
    ) -> Markup:
        left, bottom = self.at(0, 0)
        right, top = self.at(self.x, self.y)
        grid = []
        for value in ticks(self.x):
            x, _ = self.at(value, 0)
            grid.append(f'<line class="grid" x1="{x}" y1="{top}" x2="{x}" y2="{bottom}"/>')
            grid.append(_text(x, bottom + 16, formats[0](value), "middle"))
        for value in ticks(self.y):
            _, y = self.at(0, value)
            grid.append(f'<line class="grid" x1="{left}" y1="{y}" x2="{right}" y2="{y}"/>')
            grid.append(_text(left - 6, y + 4, formats[1](value), "end"))
        grid.append(_text((left + right) / 2, self.height - 6, labels[0], "middle"))
        middle = (top + bottom) / 2
        grid.append(
            f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">'
            f"{escape(labels[1])}</text>"
        )
        return _svg(self.height, [*grid, *body], title)


def ticks(top: float, count: int = 5) -> list[float]:
    """About `count` round numbers from 0 to `top`."""
    rough = top / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999)
    return [i * step for i in range(int(top / step + 1e-9) + 1)]


def percent(value: float) -> str:
    """`0.1234` as `12.3 %`; two decimals below one per cent, none for whole numbers."""
    share = 100 * value
    digits = 0 if abs(share - round(share)) < 1e-9 or share >= 99.95 else 2 if share < 1 else 1
    return f"{share:.{digits}f} %"


def number(value: float) -> str:
    """With three digits that count."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def bars(groups: Sequence[tuple[str, Sequence[Score | None]]], title: str) -> Markup:
    """A group of bars per kind of page, a bar per run, with its interval as a whisker."""
    bar, gap, left, right = 15, 14, 104, 62
    top = max((s.high for _, scores in groups for s in scores if s), default=0) or 0.01
    scale = (WIDTH - left - right) / top
    body = []
    y = 6.0
    for name, scores in groups:
        body.append(_text(left - 8, y + len(scores) * bar / 2 + 4, _short(name, 16), "end"))
        for index, score in enumerate(scores):
            if score:
                width = max(score.micro * scale, 1)
                low, high = left + score.low * scale, left + score.high * scale
                middle = y + bar / 2
                body.append(
                    f'<rect class="s{index % SERIES}" x="{left}" y="{y + 1}" width="{width:.1f}" '
                    f'height="{bar - 2}" rx="2"/><path class="whisker" d="M{low:.1f} {middle}'
                    f'H{high:.1f}M{low:.1f} {middle - 3}v6M{high:.1f} {middle - 3}v6"/>'
                )
                body.append(_text(max(high, left + width) + 5, y + 12, percent(score.micro)))
            y += bar
        y += gap
    return _svg(int(y), body, title)


def reliability(runs: Sequence[tuple[int, Calibration]], title: str) -> Markup:
    """Accuracy over confidence: on the diagonal, confidence says how often words are right."""
    plot = _Plot(1, 1)
    (x1, y1), (x2, y2) = plot.at(0, 0), plot.at(1, 1)
    body = [f'<line class="ideal" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>']
    for index, calibration in runs:
        points = [plot.at(b.confidence, b.accuracy) for b in calibration.bins]
        path = " ".join(f"{x},{y}" for x, y in points)
        body.append(f'<polyline class="line s{index % SERIES}" points="{path}"/>')
        for (x, y), part in zip(points, calibration.bins, strict=True):
            radius = 3 + 9 * math.sqrt(part.words / calibration.words)
            hint = f"{part.words} words: confidence {percent(part.confidence)}, right "
            body.append(_dot(x, y, radius, index, hint + percent(part.accuracy)))
    axes = ("confidence of the words", "share that is right")
    return plot.draw(body, axes, (percent, percent), title)


def scatter(
    points: Sequence[tuple[float, float, int, str]], labels: tuple[str, str], title: str
) -> Markup:
    """Confidence (0 to 1) across and error rate up; a point per page, with its name."""
    plot = _Plot(1, max([0.1, *(min(error, 1.0) for _, error, _, _ in points)]))
    body = [
        _dot(*plot.at(x, y), 4, index, f"{name}: {percent(x)} sure, {percent(y)} wrong")
        for x, y, index, name in points
    ]
    return plot.draw(body, labels, (percent, percent), title)


def cumulative(runs: Sequence[tuple[int, Sequence[float]]], title: str) -> Markup:
    """The share of pages that took at most so many seconds, a curve per run."""
    longest = max((value for _, values in runs for value in values), default=0) or 1.0
    plot = _Plot(longest * 1.02, 1)
    body = []
    for index, values in runs:
        ordered = sorted(values)
        steps = [plot.at(0, 0)]
        for rank, value in enumerate(ordered, 1):
            x, y = plot.at(value, rank / len(ordered))
            steps += [(x, steps[-1][1]), (x, y)]
        path = " ".join(f"{x},{y}" for x, y in steps)
        body.append(f'<polyline class="line s{index % SERIES}" points="{path}"/>')
    return plot.draw(body, ("seconds per page", "share of pages"), (number, percent), title)


def tradeoff(points: Sequence[tuple[float, Score, int, str]], title: str) -> Markup:
    """Pages per second across, error rate with its interval up, a point per run."""
    plot = _Plot(
        max(speed for speed, _, _, _ in points) * 1.15,
        max(max(score.high for _, score, _, _ in points) * 1.1, 0.01),
    )
    body = []
    for speed, score, index, name in points:
        x, y = plot.at(speed, score.micro)
        (_, low), (_, high) = plot.at(speed, score.low), plot.at(speed, score.high)
        hint = f"{name}: {number(speed)} pages/s, CER {percent(score.micro)}"
        body.append(f'<path class="whisker" d="M{x} {low}V{high}"/>')
        body.append(_dot(x, y, 6, index, hint))
        anchor = "end" if x > WIDTH * 0.6 else "start"
        body.append(_text(x + (-10 if anchor == "end" else 10), y - 6, _short(name, 30), anchor))
    return plot.draw(body, ("pages per second", "CER"), (number, percent), title)


def _svg(height: int, body: Sequence[str], title: str) -> Markup:
    # Everything variable in `body` went through `escape` or is a number.
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(body)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _dot(x: float, y: float, radius: float, index: int, hint: str) -> str:
    return (
        f'<circle class="s{index % SERIES}" cx="{x}" cy="{y}" r="{radius:.1f}">'
        f"<title>{escape(hint)}</title></circle>"
    )


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
