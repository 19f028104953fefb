"""Readings on disk, one line each, so that an interrupted run goes on where it stopped."""

import json
import os
import re
import zlib
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from qwen_ocr.errors import ConfigurationError
from qwen_ocr_tools.evaluation.dataset import TruthPart
from qwen_ocr_tools.evaluation.readings import Reading

Settings = dict[str, str | int | None]
"""What decides how an engine reads: readings under other settings are other readings."""


class Journal:
    """The readings of one engine in `folder`: read when it is opened, and appended to.

    The first line holds the engine's settings, each further line one reading; of several for the
    same page the last counts. Every line is on the disk before the next one begins. A last line
    without an end, from a crash, is cut off.
    """

    def __init__(
        self, folder: Path, engine: str, settings: Settings, *, restart: bool = False
    ) -> None:
        """Open or begin the journal.

        Raises `ConfigurationError` when it holds readings under other settings; with `restart` it
        begins anew.
        """
        slug = re.sub(r"[^\w.=-]+", "-", engine)[:60]
        suffix = "" if slug == engine else f"-{zlib.crc32(engine.encode()):08x}"
        self.path = folder / f"{slug}{suffix}.jsonl"
        self.readings: dict[tuple[str, TruthPart], Reading] = {}
        self._settings = settings
        lines = [] if restart or not self.path.exists() else self._whole_lines()
        self._file: FileIO
        try:
            if lines:
                self._check(json.loads(lines[0])["settings"])
            for line in lines[1:]:
                self._remember(Reading.model_validate_json(line))
        except (ValueError, LookupError, TypeError) as exc:
            raise ConfigurationError(
                f"{self.path} is no journal of this program ({exc}): choose another folder with -o"
            ) from exc

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = FileIO(self.path, "a" if self.readings else "w")
        if not self.readings:
            self._write(json.dumps({"settings": self._settings}, ensure_ascii=False))
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, reading: Reading) -> None:
        """Keep a reading; it is on the disk when this returns."""
        self._write(reading.model_dump_json(exclude_defaults=True))
        self._remember(reading)

    def _remember(self, reading: Reading) -> None:
        self.readings[reading.page, reading.task] = reading

    def _write(self, line: str) -> None:
        self._file.write(f"{line}\n".encode())
        os.fsync(self._file.fileno())

    def _whole_lines(self) -> list[bytes]:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self.path, whole)
        return data[:whole].splitlines()

    def _check(self, found: Settings) -> None:
        differing = [
            f"{name} {found.get(name)!r}, not {self._settings.get(name)!r}"
            for name in sorted(found.keys() | self._settings.keys())
            if found.get(name) != self._settings.get(name)
        ]
        if differing:
            raise ConfigurationError(
                f"{self.path} holds readings with {'; '.join(differing)}: choose another folder "
                "with -o, or read all pages again with --restart"
            )
