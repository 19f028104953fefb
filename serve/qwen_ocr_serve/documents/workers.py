"""The processes that render and analyse pages, see `worker`: as many as the machine has room for.

A page that breaks its process, or takes too long, costs that page and nothing else.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from qwen_ocr_serve.documents.files import DocumentFile
from qwen_ocr_serve.documents.layout import LAYOUT, Layout
from qwen_ocr_serve.documents.lines import Box

TIME_LIMIT = 30.0
"""Seconds for one page: most take a third of one."""
_PAGES = 500
"""A process makes way for a new one after so many, so that what libraries leak goes with it."""
_LINE = 2**22
"""Bytes of an answer's first line, at most."""


class PageError(Exception):
    """A page that cannot be opened or analysed; the message says why."""

    def __init__(self, message: str, code: str | None = None) -> None:
        """`code` says the same in a word for programs, where there is one."""
        super().__init__(message)
        self.code = code


class AnalysedPage(NamedTuple):
    """What a process found on a page."""

    layout: Layout
    pieces: list[bytes]
    """PNG files of what is to be read, in reading order."""
    figures: list[bytes]
    """JPEG files of the pictures, in reading order, if they were asked for."""


class PageWorkers:
    """Hands pages to processes, which it starts as they are needed."""

    def __init__(self, count: int) -> None:
        self._free: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for _ in range(count):
            self._free.put_nowait(_Worker())

    @classmethod
    def for_machine(cls) -> "PageWorkers":
        """As many processes as half of the cores, for the engine needs the others; at most 4."""
        return cls(min(max(len(os.sched_getaffinity(0)) // 2, 1), 4))

    async def analyse(
        self, document: DocumentFile, page: int, *, time_limit: float = TIME_LIMIT, **options: Any
    ) -> AnalysedPage:
        """Analyse a page, from 0; `options` are those of `worker.Task`. Raises `PageError`."""
        task = {"page": page, **options}
        answer, files = await self._answer(document, task, time_limit)
        count = len(answer["pieces"])
        return AnalysedPage(LAYOUT.validate_python(answer["layout"]), files[:count], files[count:])

    async def cut_out(
        self,
        document: DocumentFile,
        page: int,
        boxes: Sequence[Box],
        *,
        turned: int,
        dpi: float,
        password: str | None,
    ) -> list[bytes]:
        """JPEG files of parts of a page, whose boxes are on the page turned by `turned`.

        Raises `PageError`.
        """
        task: dict[str, Any] = {"page": page, "dpi": dpi, "password": password}
        task |= {"cut_out": boxes, "turned": turned}
        return (await self._answer(document, task, TIME_LIMIT))[1]

    async def picture(
        self, document: DocumentFile, page: int, *, dpi: float, width: float, **options: Any
    ) -> tuple[bytes, int]:
        """A page, from 0, as a PNG file, and how many the document has. Raises `PageError`."""
        task = {"page": page, "dpi": dpi, "width": width}
        answer, files = await self._answer(document, task | options, TIME_LIMIT)
        return files[0], answer["page_count"]

    async def count(self, document: DocumentFile, password: str | None = None) -> int:
        """How many pages a document has. Raises `PageError`."""
        answer, _ = await self._answer(document, {"password": password}, TIME_LIMIT)
        return int(answer["page_count"])

    async def close(self) -> None:
        """End the processes that wait for work; they also end with this one."""
        while not self._free.empty():
            await self._free.get_nowait().end()

    async def _answer(
        self, document: DocumentFile, task: dict[str, Any], time_limit: float
    ) -> tuple[dict[str, Any], list[bytes]]:
        worker = await self._free.get()
        try:
            where = {"document": document.number, "path": document.path}
            return await worker.answer(task | where, time_limit)
        finally:
            self._free.put_nowait(worker)


class _Worker:
    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._pages = 0

    async def answer(
        self, task: dict[str, Any], limit: float
    ) -> tuple[dict[str, Any], list[bytes]]:
        process = await self._running()
        self._pages += 1
        done = False
        try:
            async with asyncio.timeout(limit):
                answer, files = await _exchange(process, json.dumps(task).encode() + b"\n")
            done = True
        except TimeoutError:
            message = f"the page takes longer than {limit:g} s to analyse"
            raise PageError(message, "page_timeout") from None
        except (OSError, EOFError, ValueError) as exc:
            raise PageError("the page cannot be analysed: it is damaged or too large") from exc
        finally:
            # Also when this is cancelled: an answer that nobody waits for is not the next one's.
            if not done or self._pages >= _PAGES:
                await self.end()
        if "error" in answer:
            raise PageError(answer["error"], answer.get("code"))
        return answer, files

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            # Nothing else of the environment: it holds keys. One thread in each library.
            names = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
            env = {name: os.environ[name] for name in names if name in os.environ}
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "qwen_ocr_serve.documents.worker"),
                env=env | {"OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=_LINE,
            )
            self._pages = 0
        return self._process

    async def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _exchange(
    process: asyncio.subprocess.Process, task: bytes
) -> tuple[dict[str, Any], list[bytes]]:
    assert process.stdin is not None, "it was started with pipes"
    assert process.stdout is not None, "it was started with pipes"
    process.stdin.write(task)
    await process.stdin.drain()
    line = await process.stdout.readline()
    if not line:
        raise EOFError
    answer = json.loads(line)
    lengths = [*answer.get("pieces", ()), *answer.get("figures", ())]
    return answer, [await process.stdout.readexactly(length) for length in lengths]
