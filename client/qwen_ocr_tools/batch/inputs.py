"""Which files an argument means: found one after the other, never listed as a whole."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from qwen_ocr.errors import ConfigurationError
from qwen_ocr_tools.batch import remote
from qwen_ocr_tools.batch.records import Version, version

_BITMAPS = {".bmp", ".gif", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff"}
_PHOTOS = {".avif", ".j2k", ".jp2", ".jpeg", ".jpg", ".webp"}
SUFFIXES = frozenset(_BITMAPS | _PHOTOS | {".pdf"})
"""Endings of files that are read, in lower case: those of `qwen_ocr.sources.FORMATS`, and PDF."""
STANDARD_INPUT = "-"

_File = tuple[str, Version | None]
"""An absolute path, or a URL with the version that the listing of its store had."""


class Inputs:
    """Files for paths, folders and patterns such as `scans/**/*`; `-` is a list of them on `lines`.

    A folder stands for everything below it, hidden files and folders left out. Of all files only
    those that end like an image or a PDF count, so that text beside the scans does no harm.
    `excluded`, a folder, is where this job writes PDFs: they are none of its inputs. `urls` allows
    `s3://bucket/scans` and the like, see `qwen_ocr_tools.batch.remote`.
    """

    def __init__(
        self,
        arguments: Iterable[str],
        lines: Iterable[str] = (),
        excluded: Path | None = None,
        *,
        urls: bool = False,
    ) -> None:
        self._arguments = list(arguments)
        self._urls = urls
        self._lines = lines
        self._excluded = os.path.join(os.path.abspath(excluded), "") if excluded else None
        self.ignored = 0
        """Files met so far that end like neither an image nor a PDF."""
        for argument in self._arguments:
            if remote.is_url(argument) and not urls:
                raise ConfigurationError(f"{argument}: only --ray reads from an object store")
            if argument != STANDARD_INPUT and next(_expand(argument), None) is None:
                raise ConfigurationError(f"{argument}: {_why_nothing(argument)}")

    def count(self) -> int | None:
        """How many files there are; None where that cannot be told without using them up.

        Raises `ConfigurationError` if there are none.
        """
        if STANDARD_INPUT in self._arguments or any(map(remote.is_url, self._arguments)):
            return None  # to list a store twice would take too long
        files = sum(self._wanted(path) for path, _ in self._files())
        if not files:
            raise ConfigurationError("there is neither an image nor a PDF among these files")
        return files

    def __iter__(self) -> Iterator[tuple[str, Version]]:
        """Absolute paths or URLs, and versions. A file that two arguments name comes twice."""
        self.ignored = 0
        for path, known in self._files():
            if self._wanted(path):
                yield path, known or version(path)
            else:
                self.ignored += 1

    def _wanted(self, path: str) -> bool:
        suffix = os.path.splitext(path)[1].lower()
        if suffix == ".pdf" and self._excluded and path.startswith(self._excluded):
            return False
        return suffix in SUFFIXES

    def _files(self) -> Iterator[_File]:
        for argument in self._arguments:
            if argument != STANDARD_INPUT:
                yield from _expand(argument)
                continue
            for line in self._lines:
                if name := line.rstrip("\r\n"):
                    # One that is missing is yielded, too: a failed page, not a silent gap.
                    if self._urls and remote.is_url(name):
                        yield remote.find(name)
                    elif os.path.isdir(name):
                        yield from _local(_below(name))
                    else:
                        yield os.path.abspath(name), None


def _expand(argument: str) -> Iterator[_File]:
    if remote.is_url(argument):
        yield from remote.expand(argument)
    elif os.path.isdir(argument):
        yield from _local(_below(argument))
    elif os.path.lexists(argument):
        yield os.path.abspath(argument), None
    elif glob.has_magic(argument):
        # Folders among the matches are not walked: `scans/*` is what is right in `scans`.
        matches = glob.iglob(os.path.expanduser(argument), recursive=True)
        yield from _local(os.path.abspath(path) for path in matches if not os.path.isdir(path))


def _local(paths: Iterable[str]) -> Iterator[_File]:
    return ((path, None) for path in paths)


def _below(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(os.path.abspath(folder)):
        # Sorted, so that pages come in the order in which people look for them.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(parent, f) for f in sorted(files) if not f.startswith("."))


def _why_nothing(argument: str) -> str:
    if glob.has_magic(argument):
        return "no file matches"
    return "an empty folder" if os.path.isdir(argument) else "no such file or folder"
