"""Documents in files, so that a long one is not held in memory while its pages are read."""

import asyncio
import itertools
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, Self

_numbers = itertools.count()


class DocumentFile:
    """An open file with a document, to be closed.

    Other processes of this user open it by its path in /proc, whether it has a name or not.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.number = next(_numbers)
        """Differs from that of every other document of this process."""
        self.size = os.fstat(file.fileno()).st_size
        """In bytes."""
        self.path = f"/proc/{os.getpid()}/fd/{file.fileno()}"

    @classmethod
    async def of_bytes(cls, data: bytes) -> Self:
        """The document in a file that has no name, so that nothing is left behind of it.

        Raises `OSError` where there is no room for it.
        """
        return await asyncio.to_thread(cls._written, data)

    @classmethod
    async def of_path(cls, path: Path) -> Self:
        """The document in a file that may be deleted meanwhile. Raises `OSError`."""
        return cls(await asyncio.to_thread(path.open, "rb"))

    @classmethod
    def _written(cls, data: bytes) -> Self:
        file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by this object
        try:
            file.write(data)
            file.flush()
        except BaseException:
            file.close()
            raise
        return cls(file)

    def close(self) -> None:
        """Give it up; what a process has opened, it may still read."""
        self._file.close()
