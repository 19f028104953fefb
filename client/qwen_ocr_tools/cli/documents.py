"""Whole documents through `POST /v1/ocr`: to standard output, or a file each."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer

from qwen_ocr.async_client import AsyncOCRClient
from qwen_ocr.documents import Document
from qwen_ocr.errors import ConfigurationError
from qwen_ocr.sources import is_remote
from qwen_ocr_tools.batch.progress import Progress, Tally
from qwen_ocr_tools.cli.common import complain
from qwen_ocr_tools.exports.formats import check_searchable, content
from qwen_ocr_tools.exports.targets import find_targets
from qwen_ocr_tools.exports.texts import json_line
from qwen_ocr_tools.exports.writing import (
    DocumentReader,
    DocumentSpec,
    Target,
    failures,
    open_original,
    write_documents,
)

_AT_ONCE = 4
"""Documents that are read at a time; the server works on a few pages of each."""


async def read_documents(
    client: AsyncOCRClient,
    names: Sequence[str],
    spec: DocumentSpec,
    output: Path | None = None,
    *,
    force: bool = False,
) -> bool:
    """Read all; tell whether every page has its text.

    They go to standard output, or into `output`, see `find_targets`; `force` replaces files that
    are there. Raises `ConfigurationError` before anything is sent, and later what would fail for
    all documents. What fails for one of them or for a page is told on stderr.
    """
    if spec.form == "pdf":
        check_searchable()
        for name in filter(is_remote, names):
            raise ConfigurationError(
                f"{name}: a searchable PDF is made of a file: download it first"
            )
        if output is None and sys.stdout.isatty():
            raise ConfigurationError("--format pdf: say with -o where it is to go")
    if output is None:
        if len(names) > 1 and spec.form in ("hocr", "alto", "pdf"):
            raise ConfigurationError(f"--format {spec.form}: say with -o where the files are to go")
        async with client:
            return await _print_all(DocumentReader(client, spec, complain), names)
    targets = find_targets(names, spec.form, output)
    spec = replace(spec, figures=True)
    with Progress(Tally()) as progress:
        async with client:
            return await write_documents(
                DocumentReader(client, spec, progress.say),
                [Target(name, path) for name, path in targets.items()],
                progress,
                existing="replace" if force else "refuse",
                at_once=_AT_ONCE,
            )


async def _print_all(reader: DocumentReader, names: Sequence[str]) -> bool:
    """One after the other, each page when it is there if the format allows."""
    form = reader.spec.form
    gap = ""
    for name in names:
        with failures(reader, name):
            original = open_original(name, reader.spec.password)
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
