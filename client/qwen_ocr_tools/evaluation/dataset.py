"""Pages and what is on them."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from qwen_ocr.images import ImageInput
from qwen_ocr.pdf import DEFAULT_DPI, PDF
from qwen_ocr.results import TextBox
from qwen_ocr_tools.evaluation.checks import Check

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif")
"""Of images that stand beside their truth."""

TruthPart = Literal["text", "fields", "boxes"]
"""What is asked of a page, and compared with that part of its truth."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One page and its truth; parts of the truth that are not known are None or empty."""

    name: str
    """What reports call it; unique in its dataset."""
    path: Path
    """The image, or a PDF."""
    page: int | None = None
    """The page of the PDF, from 1."""
    text: str | None = None
    """All the text, in reading order; empty for a blank page."""
    kind: str = "all"
    """The group that it is counted with, too."""
    language: str | None = None
    fields: dict[str, Any] | None = None
    """What `extract` should find."""
    boxes: tuple[TextBox, ...] | None = None
    """The lines of text, in pixels."""
    checks: tuple[Check, ...] = ()
    """Facts about the text, where there is no text to compare with."""

    def image(self) -> ImageInput:
        """The image, rendered from the PDF if it is in one; `OCRError` if that is impossible."""
        if self.page is None:
            return self.path
        with PDF(self.path) as pdf:
            return pdf.render(self.page, DEFAULT_DPI)

    def digest(self) -> str:
        """Tells whether the picture is still the one that was read."""
        try:
            data = self.path.read_bytes()
        except OSError:
            return ""  # reading it will say what is wrong
        return hashlib.sha256(data + str(self.page).encode()).hexdigest()[:16]

    def has(self, task: TruthPart) -> bool:
        """Whether there is a truth for `task`."""
        if task == "text":
            return self.text is not None or bool(self.checks)
        return (self.fields if task == "fields" else self.boxes) is not None


@dataclass(slots=True)
class Dataset:
    """What was found in a folder, and what was wrong with the rest of it."""

    name: str
    format: str
    samples: list[Sample] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """One line per row or file that is left out, and why."""
    _names: set[str] = field(default_factory=set, repr=False)

    def add(self, sample: Sample, place: str) -> None:
        """Take a page that was described at `place`, unless it is there already or not there."""
        if sample.name in self._names:
            self.problems.append(f"{place}: {sample.name} is there twice; the first counts")
        elif not sample.path.is_file():
            self.problems.append(f"{place}: no such file: {sample.path}")
        else:
            self._names.add(sample.name)
            self.samples.append(sample)

    def reject(self, place: str, exc: ValidationError) -> None:
        """Note what is wrong with a row."""
        reasons = (
            f"{'.'.join(map(str, error['loc']))}: {error['msg']}".removeprefix(": ")
            for error in exc.errors()[:3]
        )
        self.problems.append(f"{place}: {'; '.join(reasons)}")
