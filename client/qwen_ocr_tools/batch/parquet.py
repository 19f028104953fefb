"""The lines of a batch as one Parquet file, which needs pyarrow."""

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_ocr.errors import ConfigurationError
from qwen_ocr_tools.batch.files import file_errors, replacement
from qwen_ocr_tools.batch.records import Record

if TYPE_CHECKING:
    import pyarrow

SUFFIX = ".parquet"
GROUP = 1000
"""Rows that are held in memory and written together."""


def journal_path(output: Path) -> Path:
    """Where lines are kept until they become this file: itself, unless it is to be Parquet."""
    return output.with_name(f"{output.name}.jsonl") if output.suffix == SUFFIX else output


def check_pyarrow() -> None:
    """Raise `ConfigurationError` if Parquet cannot be written."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as exc:
        raise ConfigurationError("Parquet needs pyarrow: pip install 'qwen-ocr[ray]'") from exc


def write_parquet(lines: Path, output: Path) -> None:
    """Make a journal's lines into rows with a column for each field of `records.Record`.

    The file is there whole or not at all. What is not valid Unicode, as names of files may not be,
    has question marks in it. Raises `OutputError`.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = _schema()
    with (
        file_errors(output),
        replacement(output) as raw,
        lines.open("rb") as journal,
        open(raw.fileno(), "wb", closefd=False) as file,
        ParquetWriter(file, schema) as writer,
    ):
        rows = map(_row, journal)
        while group := list(islice(rows, GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema))
    raw.close()


def _row(line: bytes) -> Record:
    text = json.dumps(json.loads(line), ensure_ascii=False)
    row: Record = json.loads(text.encode(errors="replace"))
    return row


def _schema() -> "pyarrow.Schema":
    import pyarrow as pa

    word = pa.struct([("text", pa.string()), ("confidence", pa.float64())])
    usage = pa.struct([("prompt_tokens", pa.int64()), ("completion_tokens", pa.int64())])
    line = pa.struct([("text", pa.string()), ("box", pa.list_(pa.int64()))])
    columns: dict[str, Any] = {
        "file": pa.string(),
        "page": pa.int64(),
        "pages": pa.int64(),
        "bytes": pa.int64(),
        "mtime_ns": pa.int64(),
        "prompt": pa.string(),
        "text": pa.string(),
        "finish_reason": pa.string(),
        "usage": usage,
        "model": pa.string(),
        "request_id": pa.string(),
        "latency": pa.float64(),
        "attempts": pa.int64(),
        "words": pa.list_(word),
        "confidence": pa.float64(),
        "warnings": pa.list_(pa.string()),
        "lines": pa.list_(line),
        "size": pa.list_(pa.int64()),
        "error": pa.string(),
        "message": pa.string(),
        "status": pa.int64(),
        "partial": pa.string(),
    }
    return pa.schema(columns.items())
