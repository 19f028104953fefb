"""Files that are there whole or not at all, and errors that say what to do."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from qwen_ocr.errors import OutputError

_ADVICE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota of the disk is used up",
    errno.EFBIG: "the file may not become larger (see `ulimit -f`)",
    errno.EACCES: "you may not write there",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "no such folder",
    errno.EISDIR: "a folder, not a file",
    errno.EEXIST: "a file stands where a folder should be",
    errno.ENOTDIR: "a file stands where a folder should be",
}


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` into an `OutputError` that names `path`."""
    try:
        yield
    except OSError as exc:
        reason = _ADVICE.get(exc.errno or 0, exc.strerror or str(exc))
        raise OutputError(f"{path}: cannot be written: {reason}") from exc


@contextmanager
def replacement(path: Path) -> Iterator[FileIO]:
    """A file, open for writing, that takes the place of `path` at the end of the `with` block.

    It is on the disk before it does, so that no crash leaves half of it under that name. It stays
    open, for the caller to close. When the block raises, it is removed and `path` is as before;
    what a killed process leaves is overwritten by the next one.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    file = temporary.open("w+b", buffering=0)
    try:
        with suppress(FileNotFoundError):
            os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
        yield file
        os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        file.close()
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_file(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, in a folder that is made if it is not there.

    Raises `OutputError`.
    """
    with file_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacement(path) as raw, open(raw.fileno(), "wb", closefd=False) as file:
            file.write(data)
        raw.close()


def sync_folder(folder: Path) -> None:
    """Put the names of a folder's files on the disk, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
