"""Which files an argument means: found one after the other, never listed as a whole."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from qwen_ocr.errors import ConfigurationError

_BITMAPS = {".bmp", ".gif", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff"}
_PHOTOS = {".avif", ".j2k", ".jp2", ".jpeg", ".jpg", ".webp"}
SUFFIXES = frozenset(_BITMAPS | _PHOTOS | {".pdf"})
"""Endings of files that are read, in lower case: those of `qwen_ocr.sources.FORMATS`, and PDF."""
STANDARD_INPUT = "-"


class Inputs:
    """Files for paths, folders and patterns such as `scans/**/*`; `-` is a list of them on `lines`.

    A folder stands for everything below it, hidden files and folders left out. Of all files only
    those that end like an image or a PDF count, so that text beside the scans does no harm.
    `excluded`, a folder, is where this job writes PDFs: they are none of its inputs.
    """

    def __init__(
        self,
        arguments: Iterable[str],
        lines: Iterable[str] = (),
        excluded: Path | None = None,
    ) -> None:
        self._arguments = list(arguments)
        self._lines = lines
        self._excluded = os.path.join(os.path.abspath(excluded), "") if excluded else None
        self.ignored = 0
        """Files met so far that end like neither an image nor a PDF."""
        for argument in self._arguments:
            if argument != STANDARD_INPUT and next(_expand(argument), None) is None:
                raise ConfigurationError(f"{argument}: {_why_nothing(argument)}")

    def count(self) -> int | None:
        """How many files there are; None where that cannot be told without using them up.

        Raises `ConfigurationError` if there are none.
        """
        if STANDARD_INPUT in self._arguments:
            return None
        files = sum(self._wanted(path) for path in self._paths())
        if not files:
            raise ConfigurationError("there is neither an image nor a PDF among these files")
        return files

    def __iter__(self) -> Iterator[str]:
        """Absolute paths. A file that two arguments name comes twice."""
        self.ignored = 0
        for path in self._paths():
            if self._wanted(path):
                yield path
            else:
                self.ignored += 1

    def _wanted(self, path: str) -> bool:
        suffix = os.path.splitext(path)[1].lower()
        if suffix == ".pdf" and self._excluded and path.startswith(self._excluded):
            return False
        return suffix in SUFFIXES

    def _paths(self) -> Iterator[str]:
        for argument in self._arguments:
            if argument != STANDARD_INPUT:
                yield from _expand(argument)
                continue
            for line in self._lines:
                if name := line.rstrip("\r\n"):
                    # One that is missing is yielded, too: a failed page, not a silent gap.
                    yield from _below(name) if os.path.isdir(name) else [os.path.abspath(name)]


def _expand(argument: str) -> Iterator[str]:
    if os.path.isdir(argument):
        yield from _below(argument)
    elif os.path.lexists(argument):
        yield os.path.abspath(argument)
    elif glob.has_magic(argument):
        # Folders among the matches are not walked: `scans/*` is what is right in `scans`.
        matches = glob.iglob(os.path.expanduser(argument), recursive=True)
        yield from (os.path.abspath(path) for path in matches if not os.path.isdir(path))


def _below(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(os.path.abspath(folder)):
        # Sorted, so that pages come in the order in which people look for them.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(parent, f) for f in sorted(files) if not f.startswith("."))


def _why_nothing(argument: str) -> str:
    if glob.has_magic(argument):
        return "no file matches"
    return "an empty folder" if os.path.isdir(argument) else "no such file or folder"
