"""Whole documents through `POST /v1/ocr`: to standard output, or a file each."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Literal

import typer

from qwen_ocr.async_client import AsyncOCRClient
from qwen_ocr.confidence import WARNINGS
from qwen_ocr.documents import Document, Page
from qwen_ocr.errors import ConfigurationError, NotFoundError, OCRError, ResponseError
from qwen_ocr.options import DocumentOptions
from qwen_ocr.sources import PDF_MARK_WITHIN, image_errors, is_pdf, is_remote, read_bytes
from qwen_ocr_tools.batch.files import write_file
from qwen_ocr_tools.batch.progress import Progress, Tally
from qwen_ocr_tools.cli.common import complain
from qwen_ocr_tools.exports.formats import Format, Original, content, figures_folder, needs_blocks
from qwen_ocr_tools.exports.targets import STANDARD_INPUT, check_free, find_targets
from qwen_ocr_tools.exports.texts import figure_files, json_line

_AT_ONCE = 4
"""Documents that are read at a time; the server works on a few pages of each."""
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class DocumentSpec:
    """What to do with the documents."""

    form: Format
    output: Path | None = None
    """See `find_targets`; None for standard output."""
    force: bool = False
    """Whether files that are there are replaced."""
    pages: str | None = None
    """Of PDFs."""
    password: str | None = None
    text_layer: Literal["never", "prefer"] = "never"
    min_confidence: float | None = None


async def read_documents(client: AsyncOCRClient, names: Sequence[str], spec: DocumentSpec) -> bool:
    """Read all; tell whether every page has its text.

    Raises `ConfigurationError` before anything is sent, and later what would fail for all
    documents. What fails for one of them or for a page is told on stderr.
    """
    if spec.form == "pdf":
        _check_pdf(names, spec)
    if spec.output is None:
        if len(names) > 1 and spec.form in ("hocr", "alto", "pdf"):
            raise ConfigurationError(f"--format {spec.form}: say with -o where the files are to go")
        async with client:
            return await _print_all(_Reader(client, spec, complain), names)
    targets = find_targets(names, spec.form, spec.output)
    with Progress(Tally()) as progress:
        async with client:
            return await _write_all(_Reader(client, spec, progress.say), targets, progress)


def _check_pdf(names: Sequence[str], spec: DocumentSpec) -> None:
    try:
        import_module("qwen_ocr_tools.exports.searchable")
    except ImportError as exc:
        raise ConfigurationError(
            f"searchable PDFs need {exc.name}: pip install 'qwen-ocr[searchable]'"
        ) from exc
    for name in filter(is_remote, names):
        raise ConfigurationError(f"{name}: a searchable PDF is made of a file: download it first")
    if spec.output is None and sys.stdout.isatty():
        raise ConfigurationError("--format pdf: say with -o where it is to go")


@dataclass(slots=True)
class _Reader:
    """Reads documents, and tells what is wrong with their pages."""

    client: AsyncOCRClient
    spec: DocumentSpec
    say: Callable[[str], None]
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
            figures=spec.form == "markdown" and spec.output is not None,
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


def _open(name: str, password: str | None) -> Original:
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


async def _print_all(reader: _Reader, names: Sequence[str]) -> bool:
    """One after the other, each page when it is there if the format allows."""
    form = reader.spec.form
    gap = ""
    for name in names:
        with _failures(reader, name):
            original = _open(name, reader.spec.password)
            if form in ("hocr", "alto", "pdf"):
                document = Document(tuple([page async for page in reader.pages(original)]))
                typer.echo(content(document, form, original), nl=False)
                continue
            title = f"## {original.name}\n" if form == "markdown" else f"==> {original.name} <=="
            async for page in reader.pages(original):
                if form == "json":
                    typer.echo(json_line(page, original.name), nl=False)
                    continue
                if title and len(names) > 1:
                    # File names can be any bytes.
                    typer.echo((gap + title).encode(errors="surrogateescape"))
                elif gap:
                    typer.echo()
                gap, title = "\n", ""
                typer.echo(content(Document((page,)), form, original), nl=False)
    return reader.complete


async def _write_all(reader: _Reader, targets: dict[str, Path], progress: Progress) -> bool:
    """A few at a time. A document whose connection breaks leaves no file."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def write(name: str, target: Path) -> None:
        async with gate:
            with _failures(reader, name):
                await _write(reader, name, target, progress)

    tasks = [asyncio.create_task(write(name, target)) for name, target in targets.items()]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return reader.complete


async def _write(reader: _Reader, name: str, target: Path, progress: Progress) -> None:
    form, tally = reader.spec.form, progress.tally
    if not reader.spec.force:
        check_free(target, form)
    original = _open(name, reader.spec.password)
    pages = []
    async for page in reader.pages(original):
        pages.append(page)
        tally.met += 1
        tally.failed += bool(page.error)
        tally.read += not page.error
        tally.flagged += bool(page.warnings)
        progress.update()
    document, folder = Document(tuple(pages)), figures_folder(target)
    data = await asyncio.to_thread(content, document, form, original, folder.name)
    pictures = figure_files(document) if form == "markdown" else {}
    for file, picture in pictures.items():
        await asyncio.to_thread(write_file, folder / file, picture)
    await asyncio.to_thread(write_file, target, data)


@contextmanager
def _failures(reader: _Reader, name: str) -> Iterator[None]:
    """Tell of what fails for one document, and raise what would fail for all."""
    try:
        yield
    except ConfigurationError:
        raise
    except OCRError as exc:
        if isinstance(exc, NotFoundError | ResponseError) and exc.status == _NOT_FOUND:
            raise NotFoundError(
                "the server has no /v1/ocr, which finds what stands where on a page: `qwen-ocr "
                "serve` has it. Of other servers, --task markdown asks the model itself",
                status=_NOT_FOUND,
            ) from exc
        message = str(exc)
        named = message.startswith((name, "standard input"))
        reader.fail(message if named else f"{name}: {message}")
