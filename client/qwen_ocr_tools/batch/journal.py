"""The output file, which is its own journal: one line a page, appended when the page is done.

A line goes to the system in one write, so a killed process leaves at most a last line that is cut
off; the system is told to put what it has on the disk every `SYNC_INTERVAL`, so a power cut costs
what was read in that time. Opening mends the end of the file and learns what is in it, a line at a
time: in memory there is a digest of 16 bytes for each page, and nothing of its text.

A page that is read again, because it had failed or its file has changed, gets a second line.
`close` then writes the file anew with the last line of each page, into a temporary file that takes
the place of the old one; where a crash prevents that, the next `Journal` does it.
"""

import fcntl
import json
import math
import os
import stat
import time
from collections import Counter
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from qwen_ocr.errors import ConfigurationError
from qwen_ocr_tools.batch.files import file_errors, replacement, sync_folder
from qwen_ocr_tools.batch.records import (
    FIRST_FIELD,
    Record,
    Version,
    encode,
    file_key,
    page_key,
    state_key,
    version_of,
)

SYNC_INTERVAL = 1.0
"""Seconds of work that a power cut may cost. To sync each line would cost a disk more than that."""
FIRST_BYTES = b'{"' + FIRST_FIELD.encode() + b'": "'
"""How each of our lines begins, by which the rest of one is told from another program's data."""


class Journal:
    """The lines of one output file, held against other processes while it is open.

    `prompt` is the one of this job: a file made with another is refused, because nothing would
    tell its lines apart. So is a file that holds anything else. Raises `ConfigurationError` for
    these and `OutputError` for the file system.
    """

    def __init__(self, path: Path, prompt: str) -> None:
        # A temporary file is to take the place of the file, not of a link to it.
        self._path = path.resolve()
        self._prompt = prompt
        self.done: set[bytes] = set()
        """`state_key` of every page that has its text."""
        self.failed: set[bytes] = set()
        """`state_key` of every page that has an error."""
        self.flagged: set[bytes] = set()
        """`state_key` of every page that has its text and warnings about it."""
        self._pages: set[bytes] = set()
        self._repeated: set[bytes] = set()
        self._lengths: dict[bytes, int] = {}
        """Pages of documents that have several, by `file_key`."""
        self._page_counts: dict[str, int] = {}
        """Of files that were read again: they may have fewer pages than they had."""
        self._damaged = False
        with file_errors(self._path):
            self._file = _open_locked(self._path)
            sync_folder(self._path.parent)
        try:
            self._load()
        except BaseException:
            self._file.close()
            raise
        self._synced = time.monotonic()

    def _load(self) -> None:
        with file_errors(self._path):
            for record in self.records():
                if record["prompt"] != self._prompt:
                    raise ConfigurationError(
                        f"{self._path}: was made with another prompt ({record['prompt']!r}): use "
                        "the same, or another output file"
                    )
                self._note(record)
            self._tidy()
            self._end = self._file.seek(0, os.SEEK_END)

    def pages_known(self, name: str, file_version: Version) -> int:
        """How many pages this file has; 1 if there is no line about one of several."""
        return self._lengths.get(file_key(name, file_version), 1)

    def append(self, record: Record) -> bool:
        """Add a page, and tell whether it takes the place of one of a file that has changed since.

        Raises `OutputError` when it cannot be written, and leaves no part of it.
        """
        line = encode(record)
        replaces = page_key(record) in self._pages and state_key(record) not in self.failed
        with file_errors(self._path):
            try:
                written = 0
                while written < len(line):
                    written += self._file.write(line[written:])
            except OSError:
                self._file.truncate(self._end)
                raise
            self._end += len(line)
            self._note(record)
            if time.monotonic() - self._synced >= SYNC_INTERVAL:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        return replaces

    def close(self) -> None:
        """Put everything on the disk, each page once, and let other processes have the file."""
        try:
            with file_errors(self._path):
                os.fsync(self._file.fileno())
                self._tidy()
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _note(self, record: Record) -> None:
        page, state = page_key(record), state_key(record)
        if page in self._pages:
            self._repeated.add(page)
            if "error" not in record:
                self._page_counts[record["file"]] = record["pages"]
        self._pages.add(page)
        if record["pages"] > 1:
            self._lengths[file_key(record["file"], version_of(record))] = record["pages"]
        here, there = (self.failed, self.done) if "error" in record else (self.done, self.failed)
        here.add(state)
        there.discard(state)
        if "error" not in record and record.get("warnings"):
            self.flagged.add(state)
        else:
            self.flagged.discard(state)

    def records(self) -> Iterator[Record]:
        """Every whole line, in the order of writing."""
        position = 0
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n") and _is_rest(line):
                    self._file.truncate(position)
                    return
                position += len(line)
                # After a power cut, file systems may give zeros for what had not reached the disk.
                if b"\0" in line:
                    self._damaged = True
                    continue
                record = _decode(line)
                if record is None:
                    raise ConfigurationError(
                        f"{self._path}, line {number}: not a line that `qwen-ocr batch` writes; "
                        "choose another output file"
                    )
                yield record

    def _tidy(self) -> None:
        """Leave one line for each page that has several, the last; none for pages that are gone."""
        if not self._repeated and not self._damaged:
            return
        left = Counter(key for key in map(page_key, self.records()) if key in self._repeated)
        with replacement(self._path) as new:
            _lock(new, self._path)
            with open(new.fileno(), "wb", closefd=False) as buffered:
                for record in self.records():
                    key = page_key(record)
                    if key in left:
                        left[key] -= 1
                    gone = record["page"] > self._page_counts.get(record["file"], math.inf)
                    if not left.get(key) and not gone:
                        buffered.write(encode(record))
        self._file.close()
        self._file = new
        self._repeated.clear()
        self._page_counts.clear()
        self._damaged = False


def _decode(line: bytes) -> Record | None:
    try:
        record: Record = json.loads(line)
        page_key(record), state_key(record), record["prompt"], record["pages"]
    except (ValueError, KeyError, TypeError):
        return None
    return record


def _is_rest(line: bytes) -> bool:
    """Whether this is what a crash left of one of our lines: its beginning, or zeros."""
    return line.startswith(FIRST_BYTES) or FIRST_BYTES.startswith(line.rstrip(b"\0"))


def _open_locked(path: Path) -> FileIO:
    while True:
        file = path.open("a+b", buffering=0)
        try:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigurationError(f"{path}: not a regular file, so it cannot be resumed")
            _lock(file, path)
            # Another process may have put a new file in the place of the one that we opened.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file: FileIO, path: Path) -> None:
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise ConfigurationError(f"{path}: another `qwen-ocr batch` is writing to it") from exc
