"""A batch of documents, each of which becomes a file."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qwen_ocr.errors import ConfigurationError
from qwen_ocr.settings import ClientSettings
from qwen_ocr_tools.batch.inputs import Inputs
from qwen_ocr_tools.batch.listing import list_files
from qwen_ocr_tools.batch.progress import Progress, Tally
from qwen_ocr_tools.batch.server import MOST, find_total
from qwen_ocr_tools.batch.spread import open_client
from qwen_ocr_tools.exports.formats import SUFFIXES, check_searchable
from qwen_ocr_tools.exports.targets import target_of
from qwen_ocr_tools.exports.writing import (
    DocumentReader,
    DocumentSpec,
    Target,
    write_documents,
)

_PAGES_EACH = 4
"""Pages of a document that a server works on at a time."""


@dataclass(frozen=True, slots=True)
class ExportSpec:
    """What to do; None where the server decides."""

    inputs: Inputs
    folder: Path
    """For the files, in folders like those of the documents."""
    documents: DocumentSpec
    servers: Sequence[ClientSettings]
    """At least one; they differ in nothing but their address."""
    concurrency: int | None = None
    """Documents at a time; the server works on a few pages of each."""


async def export_batch(spec: ExportSpec) -> bool:
    """Read all documents that have no file yet; tell whether every page has its text.

    Says on stderr how far it is and what it has done. Raises `ConfigurationError` before anything
    is written, and what shows that no server is left.
    """
    if spec.documents.form == "pdf":
        check_searchable()
    if spec.folder.exists() and not spec.folder.is_dir():
        raise ConfigurationError(f"--output: {spec.folder} is a file; name a folder for the files")
    files = spec.inputs.count()
    at_once = spec.concurrency
    if at_once is None:
        total = await asyncio.to_thread(find_total, spec.servers)
        at_once = max(1, min(total, MOST) // _PAGES_EACH)
    with Progress(Tally(files)) as progress:
        try:
            async with open_client(spec.servers) as client:
                complete = await write_documents(
                    DocumentReader(client, spec.documents, progress.say, spec.servers),
                    _targets(spec, progress),
                    progress,
                    existing="skip",
                    at_once=at_once,
                )
        except BaseException:
            progress.say(f"stopped: {progress.tally}; the same command goes on from there")
            raise
        progress.say(f"{progress.tally}; in {spec.folder}")
        if spec.inputs.ignored:
            ignored = f"{spec.inputs.ignored:,}"
            progress.say(f"files left out, neither images nor PDFs by their endings: {ignored}")
    return complete


def _targets(spec: ExportSpec, progress: Progress) -> Iterator[Target]:
    suffix = SUFFIXES[spec.documents.form]
    for path, _ in list_files(spec.inputs, progress):
        yield Target(path, target_of(path, spec.folder, suffix))
