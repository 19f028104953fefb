"""Other OCR engines, to compare with on the same pages."""

import io
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from qwen_ocr.errors import ConfigurationError, OCRError
from qwen_ocr.images import known_size, load_image
from qwen_ocr_tools.evaluation.dataset import Sample, TruthPart
from qwen_ocr_tools.evaluation.engines import Engine
from qwen_ocr_tools.evaluation.journal import Settings
from qwen_ocr_tools.evaluation.readings import Box, Reading

MIN_SIDE = 64
"""Pixels to which RapidOCR enlarges the shorter side of a picture before it looks for text."""
TIMEOUT = 300.0
"""Seconds for one page."""


def baseline(specification: str) -> Engine:
    """The engine that a specification such as `tesseract:languages=deu+eng,psm=3` names.

    Raises `ConfigurationError` for one that is not known or not installed, and says how to get it.
    """
    name, _, rest = specification.partition(":")
    if name not in BASELINES:
        raise ConfigurationError(f"no such baseline: {name}; there are {', '.join(BASELINES)}")
    options = dict(part.partition("=")[::2] for part in rest.split(",") if part)
    make, known = BASELINES[name]
    if unknown := options.keys() - known:
        raise ConfigurationError(
            f"{name} has no setting {', '.join(sorted(unknown))}; it has {', '.join(known)}"
        )
    return make(**options)


class Tesseract:
    """Tesseract's own program, a process per page and one thread in each.

    `psm` 6, its "single uniform block of text", reads lines and blocks better than its default for
    whole pages, 3, which finds columns: choose that for such pages.
    """

    name = "tesseract"
    tasks: tuple[TruthPart, ...] = ("text",)

    def __init__(self, languages: str = "eng", psm: str = "6") -> None:
        program = shutil.which("tesseract")
        if program is None:
            raise ConfigurationError(
                "tesseract is not installed: apt-get install tesseract-ocr, or leave out "
                "--baseline tesseract"
            )
        listed = subprocess.run(
            [program, "--list-langs"], capture_output=True, text=True, check=True
        )
        if missing := set(languages.split("+")) - set(listed.stdout.splitlines()[1:]):
            packages = (f"tesseract-ocr-{name.replace('_', '-')}" for name in sorted(missing))
            raise ConfigurationError(
                f"tesseract does not know the language {', '.join(sorted(missing))}: apt-get "
                f"install {' '.join(packages)}"
            )
        self._command = [program, "stdin", "stdout", "-l", languages, "--psm", psm]
        self.concurrency = os.cpu_count() or 1
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        release = shown.stdout.splitlines()[0].removeprefix("tesseract ")
        self.settings: Settings = {"version": release, "languages": languages, "psm": psm}

    def read(self, sample: Sample, task: TruthPart) -> Reading:
        """Read one page."""
        data = _png(sample)
        started = time.perf_counter()
        try:
            done = subprocess.run(
                self._command,
                input=data,
                capture_output=True,
                timeout=TIMEOUT,
                check=True,
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            )
        except subprocess.CalledProcessError as exc:
            said = exc.stderr or exc.stdout  # faults of its options go to stdout
            reason = " ".join(said.decode(errors="replace").split())
            raise OCRError(f"{sample.name}: tesseract failed: {reason}") from exc
        except subprocess.TimeoutExpired as exc:
            raise OCRError(f"{sample.name}: tesseract took over {TIMEOUT:.0f} s") from exc
        text = done.stdout.decode(errors="replace").strip()
        return Reading(page=sample.name, text=text, latency=time.perf_counter() - started)


class RapidOCR:
    """RapidOCR with the PP-OCR models in its wheel, a page at a time on all cores.

    Pictures are searched for text at their own size, as PaddleOCR's own pipeline does. RapidOCR by
    itself enlarges them until their shorter side has 736 pixels, which makes small ones slower and
    worse. It finds pieces of lines; `in_reading_order` makes text of them.
    """

    name = "rapidocr"
    tasks: tuple[TruthPart, ...] = ("text", "boxes")
    concurrency = 1

    def __init__(self) -> None:
        try:
            import rapidocr

            release = version("rapidocr")
            version("onnxruntime")
        except (ImportError, PackageNotFoundError) as exc:
            raise ConfigurationError(
                f"rapidocr is not installed ({exc}): pip install 'qwen-ocr[eval]', or leave out "
                "--baseline rapidocr"
            ) from exc
        self._engine: Callable[[bytes], Any] = rapidocr.RapidOCR(
            params={
                "Global.log_level": "error",
                "Det.limit_type": "min",
                "Det.limit_side_len": MIN_SIDE,
            }
        )
        self._lock = threading.Lock()
        self.settings: Settings = {"version": release, "limit_side_len": MIN_SIDE}

    def read(self, sample: Sample, task: TruthPart) -> Reading:
        """Read one page."""
        data = _png(sample)
        with self._lock:
            started = time.perf_counter()
            try:
                found = self._engine(data)
            except Exception as exc:  # whatever its libraries raise
                raise OCRError(f"{sample.name}: rapidocr failed: {exc}") from exc
            latency = time.perf_counter() - started
        # Without text, both are None.
        boxes = () if found.boxes is None else tuple(map(_bounds, found.boxes))
        text = in_reading_order(boxes, found.txts or ())
        return Reading(page=sample.name, task=task, text=text, boxes=boxes, latency=latency)


def in_reading_order(boxes: Sequence[Box], texts: Sequence[str]) -> str:
    """The text of pieces of lines in one column: from top to bottom, pieces of a line by spaces.

    A piece is in the line above it if its middle is within that line's first piece.
    """
    lines: list[list[tuple[Box, str]]] = []
    for piece in sorted(zip(boxes, texts, strict=True), key=lambda piece: _middle(piece[0])):
        if lines and _middle(piece[0]) < lines[-1][0][0][3]:
            lines[-1].append(piece)
        else:
            lines.append([piece])
    return "\n".join(" ".join(text for _, text in sorted(line)) for line in lines)


def _middle(box: Box) -> float:
    return (box[1] + box[3]) / 2


def _bounds(polygon: Any) -> Box:
    left, top = polygon.min(axis=0)
    right, bottom = polygon.max(axis=0)
    return round(float(left)), round(float(top)), round(float(right)), round(float(bottom))


def _png(sample: Sample) -> bytes:
    """The page as the client sees it: upright, opaque, in a format that everything reads."""
    image = known_size(load_image(sample.image())).image
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


BASELINES: dict[str, tuple[Callable[..., Engine], tuple[str, ...]]] = {
    "tesseract": (Tesseract, ("languages", "psm")),
    "rapidocr": (RapidOCR, ()),
}
"""Each with the settings that a specification may give."""
