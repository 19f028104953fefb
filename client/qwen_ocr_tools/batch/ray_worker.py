"""What a Ray worker does: it reads whole files, many pages at a time.

Nothing here needs Ray. What goes in and out is pickled, because a file's name can be any bytes,
which Arrow's strings cannot.
"""

import asyncio
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from qwen_ocr.errors import OCRError
from qwen_ocr.options import ReadOptions
from qwen_ocr.outcomes import Outcome
from qwen_ocr.settings import ClientSettings
from qwen_ocr_tools.batch import remote
from qwen_ocr_tools.batch.documents import Page, PageImages, SourceDocument, open_document
from qwen_ocr_tools.batch.reading import Job, Reader
from qwen_ocr_tools.batch.records import Version, describe
from qwen_ocr_tools.batch.spread import open_client


@dataclass(frozen=True, slots=True)
class FileTask:
    """A file, and which of its pages need nothing more."""

    name: str
    """Its absolute path or URL."""
    version: Version
    settled: frozenset[int]
    """Numbers of pages, from 1."""


@dataclass(frozen=True, slots=True)
class FileDone:
    """What became of the pages of a file that had to be read, in order."""

    name: str
    pages: list[Outcome[Job]]


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What is the same for all files."""

    servers: Sequence[ClientSettings]
    prompt: str
    options: ReadOptions
    dpi: float
    concurrency: int
    """Pages that one worker reads at a time, and files that it opens at a time."""


class FileReader:
    """Reads files in a process of its own; calls of it share one client and run side by side."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._images = PageImages(settings.dpi)
        client = open_client(settings.servers)
        self._reader = Reader(client, self._images, settings.prompt, settings.options)
        self._room = asyncio.Semaphore(settings.concurrency)

    async def __call__(self, batch: pa.Table) -> pa.Table:
        """A `FileDone` for each `FileTask`, in the same order.

        A worker that is lost is replaced, and its successor does the same once more: only if it
        gives as many rows in the same order, none is there twice and none is missing.
        """
        tasks: list[FileTask] = [pickle.loads(task) for task in batch["tasks"].to_pylist()]
        done = await asyncio.gather(*map(self._read_file, tasks))
        return pa.table({"done": [pickle.dumps(file) for file in done]})

    async def _read_file(self, task: FileTask) -> FileDone:
        async with self._room:
            document = await asyncio.to_thread(_open, task.name)
        pages = [page for page in document.pages if page.number not in task.settled]
        outcomes = await asyncio.gather(*(self._read_page(page, task.version) for page in pages))
        return FileDone(task.name, outcomes)

    async def _read_page(self, page: Page, version: Version) -> Outcome[Job]:
        # Without the bytes that came from an object store, which nobody needs any more.
        shown = replace(page.document, source=page.document.name, error=None)
        job = Job(Page(shown, page.number), describe(page, version, self._settings.prompt))
        async with self._room:
            try:
                result = await self._reader.read(Job(page))
            except OCRError as exc:
                return Outcome(0, job, error=exc)
        return Outcome(0, job, result=result)


def _open(name: str) -> SourceDocument:
    if not remote.is_url(name):
        return open_document(name)
    try:
        return open_document(name, remote.fetch(name))
    except OCRError as exc:
        return SourceDocument(name, name, error=exc)
