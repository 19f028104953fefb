"""A page as one line of the output."""

import json
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

from qwen_ocr.documents import Block, Line, Page
from qwen_ocr.errors import LowConfidenceError, OCRError, TruncatedError
from qwen_ocr.results import OCRResult
from qwen_ocr_tools.batch import documents
from qwen_ocr_tools.batch.reading import Layout

Record = dict[str, Any]
"""What a line holds: `file` (absolute path), `page` and `pages` (from 1), `bytes` and `mtime_ns` of
the file, `prompt`, and either `text` with the fields of `OCRResult`, or `error` and its `message`
(with the `partial` text and its `confidence` and `warnings`, if there is some). Where lines of text
were located, `lines` has them with their boxes, `size` the width and height that these are
measured in, in pixels, and `turned` and `skew` how that image was turned, see `qwen_ocr.Page`."""

Version = tuple[int, int]
"""A file's size in bytes and the time of its last change in ns; zeros where that is not known."""

FIRST_FIELD = "file"
_NO_SIZE = 1000
DIGEST_SIZE = 16
"""Bytes: a chance of 1 in 10²⁶ that two of a million pages are taken for one."""


def digest(*parts: object) -> bytes:
    """A short stand-in for some values, in place of which it is remembered."""
    text = json.dumps([str(part) for part in parts])
    return blake2b(text.encode(), digest_size=DIGEST_SIZE).digest()


def file_key(name: str, file_version: Version) -> bytes:
    """Equal for two lines about pages of the same, unchanged file."""
    return digest(name, *file_version)


def page_key(record: Record) -> bytes:
    """Equal for two lines about the same page."""
    return digest(record["file"], record["page"])


def state_key(record: Record) -> bytes:
    """Equal for two lines about the same page of the same, unchanged file."""
    return digest(record["file"], record["page"], record["bytes"], record["mtime_ns"])


def version(path: str) -> Version:
    """The version of the file at a path; zeros if it is not there."""
    try:
        status = Path(path).stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def version_of(record: Record) -> Version:
    """The same of the file when it was read."""
    return record["bytes"], record["mtime_ns"]


def describe(page: documents.Page, file_version: Version, prompt: str) -> Record:
    """The part of a record that is known before the page is read."""
    size, changed = file_version
    return {
        FIRST_FIELD: page.document.name,
        "page": page.number,
        "pages": page.document.page_count,
        "bytes": size,
        "mtime_ns": changed,
        "prompt": prompt,
    }


def succeeded(description: Record, result: OCRResult, layout: Layout | None) -> Record:
    """The record of a page that was read."""
    return description | fields_of(result) | (asdict(layout) if layout else {})


def fields_of(result: OCRResult) -> dict[str, Any]:
    """A result as JSON has it, without `words` if they were not asked for."""
    fields = asdict(result)
    del fields["blocks"], fields["raw"]  # a line has the text of a page
    if not result.words:
        del fields["words"]
    return fields


def page_of(record: Record) -> Page:
    """The page of a record that has a text. Where no line was located, its size is not its own."""
    number, text = record["page"], record["text"]
    located = record.get("lines")
    if not located:
        return Page(number, text, _NO_SIZE, _NO_SIZE)
    width, height = record["size"]
    lines = tuple(
        Line(
            line["text"],
            tuple(line["box"]),
            tuple(map(tuple, line.get("words", ()))),
            tuple(line.get("confidence", ())),
        )
        for line in located
    )
    block = Block("text", text, (0, 0, width, height), lines)
    turned, skew = record.get("turned", 0), record.get("skew", 0.0)
    return Page(number, text, width, height, blocks=(block,), turned=turned, skew=skew)


def failed(description: Record, error: OCRError) -> Record:
    """The record of a page that could not be read."""
    record = description | {
        "error": type(error).__name__,
        "message": str(error),
        "status": error.status,
        "request_id": error.request_id,
    }
    if isinstance(error, TruncatedError | LowConfidenceError):
        partial = error.partial
        record |= {
            "partial": partial.text,
            "confidence": partial.confidence,
            "warnings": partial.warnings,
        }
    return record


def encode(record: Record) -> bytes:
    """The record as a line of UTF-8, with its end."""
    try:
        line = json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # file names that are not valid Unicode
        line = json.dumps(record).encode()
    return line + b"\n"
