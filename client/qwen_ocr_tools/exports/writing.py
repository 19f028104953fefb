"""Documents through `POST /v1/ocr`, each into a file of its own."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from qwen_ocr.async_client import AsyncOCRClient
from qwen_ocr.confidence import WARNINGS
from qwen_ocr.documents import Document, Page
from qwen_ocr.errors import ConfigurationError, NotFoundError, OCRError, ResponseError
from qwen_ocr.options import DocumentOptions
from qwen_ocr.settings import ClientSettings
from qwen_ocr.sources import PDF_MARK_WITHIN, image_errors, is_pdf, is_remote, read_bytes
from qwen_ocr_tools.batch.files import write_file
from qwen_ocr_tools.batch.progress import Progress
from qwen_ocr_tools.batch.reading import check_servers
from qwen_ocr_tools.exports.formats import Format, Original, content, figures_folder, needs_blocks
from qwen_ocr_tools.exports.targets import STANDARD_INPUT, check_free
from qwen_ocr_tools.exports.texts import figure_files

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class DocumentSpec:
    """What to do with the documents."""

    form: Format
    figures: bool = False
    """Whether Markdown gets its pictures, as files."""
    pages: str | None = None
    """Of PDFs."""
    password: str | None = None
    text_layer: Literal["never", "prefer"] = "never"
    min_confidence: float | None = None


@dataclass(slots=True)
class DocumentReader:
    """Reads documents, and tells what is wrong with their pages."""

    client: AsyncOCRClient
    spec: DocumentSpec
    say: Callable[[str], None]
    servers: Sequence[ClientSettings] = ()
    """Asked whether they are there when a document fails; none if each is to fail alone."""
    complete: bool = True
    """Whether every page so far has its text."""

    def fail(self, message: str) -> None:
        """Tell of a document or page without its text."""
        self.complete = False
        self.say(message)

    async def pages(self, original: Original) -> AsyncGenerator[Page, None]:
        """The pages of a document. Raises `OCRError`."""
        spec = self.spec
        source = original.name if original.data is None else original.data
        options = DocumentOptions(
            blocks=needs_blocks(spec.form),
            figures=spec.form == "markdown" and spec.figures,
            confidence=spec.form == "json",
            text_layer=spec.text_layer,
            password=spec.password,
            pages=spec.pages if _may_be_pdf(original) else None,
        )
        async with aclosing(self.client.stream_document(source, **options)) as pages:
            async for page in pages:
                yield self._checked(page, original.name)

    def _checked(self, page: Page, name: str) -> Page:
        """The page, without its text if that is doubtful and was not to be."""
        least, sure = self.spec.min_confidence, page.confidence
        for code in page.warnings:
            number = "" if sure is None else f" (confidence {sure:.2f})"
            self.say(f"{name}, page {page.number}: {WARNINGS.get(code, code)}{number}")
        if least is not None and not (page.error or page.text_layer) and (sure or 0) < least:
            why = f"page {page.number}: confidence {sure or 0:.2f}, {least} was asked for"
            page = replace(page, markdown="", blocks=(), figures=(), words=(), error=OCRError(why))
        if page.error:
            self.fail(f"{name}, {page.error}")
        return page


def open_original(name: str, password: str | None) -> Original:
    """What is read. Raises `ImageError`."""
    if name != STANDARD_INPUT:
        return Original(name, password=password)
    with image_errors("standard input"):
        return Original("standard input", read_bytes(sys.stdin.buffer), password)


def _may_be_pdf(original: Original) -> bool:
    """Whether page numbers have a meaning for it; what a URL leads to, only the server can see."""
    if original.data is not None:
        return is_pdf(original.data)
    if is_remote(original.name):
        return True
    with image_errors(original.name), Path(original.name).open("rb") as file:
        return is_pdf(file.read(PDF_MARK_WITHIN))


class Target(NamedTuple):
    """A document, and the file that it becomes."""

    name: str
    path: Path


Existing = Literal["refuse", "replace", "skip"]
"""What is done where a file of a document is there already: the document fails, the file is
replaced, or the document counts as read. With `skip`, a document gets no file as long as one of its
pages fails, so that the same call can be made again until all are there."""


async def write_documents(
    reader: DocumentReader,
    targets: Iterable[Target],
    progress: Progress,
    *,
    existing: Existing,
    at_once: int,
) -> bool:
    """Read `at_once` documents at a time; tell whether every page has its text.

    A document whose connection breaks leaves no file.
    """
    waiting = iter(targets)

    async def work() -> None:
        for target in waiting:
            try:
                await _write(reader, target, progress, existing)
            except OCRError as exc:
                if reader.servers:
                    await check_servers(_explained(exc), reader.servers)
                with failures(reader, target.name):
                    raise
            progress.tally.opened += 1
            progress.update()

    tasks = [asyncio.create_task(work()) for _ in range(at_once)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return reader.complete


async def _write(
    reader: DocumentReader, target: Target, progress: Progress, existing: Existing
) -> None:
    form, tally = reader.spec.form, progress.tally
    if existing == "skip" and _is_done(target):
        tally.met += 1
        tally.found += 1
        return
    if existing == "refuse":
        check_free(target.path, form)
    original = open_original(target.name, reader.spec.password)
    pages = []
    async with aclosing(reader.pages(original)) as answered:
        async for page in answered:
            pages.append(page)
            tally.met += 1
            tally.failed += bool(page.error)
            tally.read += not page.error
            tally.flagged += bool(page.warnings)
            progress.update()
    if existing == "skip" and any(page.error for page in pages):
        reader.say(f"{target.name}: gets no file as long as a page of it cannot be read")
        return
    document, folder = Document(tuple(pages)), figures_folder(target.path)
    data = await asyncio.to_thread(content, document, form, original, folder.name)
    pictures = figure_files(document) if form == "markdown" else {}
    for file, picture in pictures.items():
        await asyncio.to_thread(write_file, folder / file, picture)
    await asyncio.to_thread(write_file, target.path, data)


def _is_done(target: Target) -> bool:
    """Whether the file is there, and younger than what its document has become."""
    made, source = target.path, Path(target.name)
    if not made.exists():
        return False
    return not source.exists() or source.stat().st_mtime_ns <= made.stat().st_mtime_ns


@contextmanager
def failures(reader: DocumentReader, name: str) -> Iterator[None]:
    """Tell of what fails for one document, and raise what would fail for all."""
    try:
        yield
    except ConfigurationError:
        raise
    except OCRError as exc:
        explained = _explained(exc)
        if explained is not exc:
            raise explained from exc
        message = str(exc)
        named = message.startswith((name, "standard input"))
        reader.fail(message if named else f"{name}: {message}")


def _explained(error: OCRError) -> OCRError:
    """The same error; for a server without the route, one that says what to do."""
    if not (isinstance(error, NotFoundError | ResponseError) and error.status == _NOT_FOUND):
        return error
    return NotFoundError(
        "the server has no /v1/ocr, which finds what stands where on a page: `qwen-ocr "
        "serve` has it. Of other servers, --task markdown asks the model itself",
        status=_NOT_FOUND,
    )
