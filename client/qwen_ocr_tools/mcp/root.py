"""The one folder whose files agents may have read."""

import os
import stat
from pathlib import Path

from qwen_ocr.errors import ConfigurationError, ImageError

MAX_BYTES = 256 * 2**20
"""Of a file; the OCR server has a limit of its own, which is lower by default."""


class RootFolder:
    """Reads files in a folder and in those within it, and nothing that a link in it leads to
    elsewhere. Raises `ConfigurationError` if it is no folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().resolve()
        if not self._folder.is_dir():
            raise ConfigurationError(f"--root: {folder} is not a folder")

    def read(self, name: str) -> bytes:
        """The bytes of a file: its path from the folder, or the whole path.

        Raises `ImageError` in the same words for a file that is not there and one that is
        elsewhere, so that nobody learns what there is outside.
        """
        missing = ImageError(f"{name}: there is no such file in {self._folder}")
        try:
            path = (self._folder / name).resolve(strict=True)
            if not path.is_relative_to(self._folder):
                raise missing
            # Not a link that has come into its place meanwhile, and no pipe that never ends.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (OSError, ValueError, RuntimeError) as exc:
            raise missing from exc
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise missing
            if status.st_size > MAX_BYTES:
                raise ImageError(f"{name}: larger than {MAX_BYTES // 2**20} MiB: send a part of it")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)
