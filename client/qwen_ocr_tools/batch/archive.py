"""Files written beside the output: the text of each document, and a PDF that can be searched.

A document gets its files when all its pages have been read, none of them with an error: a text
with a hole in it would not show the hole. Its pages come in any order and from several runs.
"""

from dataclasses import dataclass, field
from pathlib import Path

from qwen_ocr_tools.batch.files import write_file
from qwen_ocr_tools.batch.records import Record, page_of, version, version_of
from qwen_ocr_tools.exports.formats import check_searchable
from qwen_ocr_tools.exports.targets import target_of
from qwen_ocr_tools.exports.texts import PAGE_BREAK

KEPT = ("file", "page", "bytes", "mtime_ns", "text", "lines", "size", "turned", "skew")
"""What of a record is held until its document is complete."""
TEXT_SUFFIX, PDF_SUFFIX = ".txt", ".pdf"


class KeptError(Exception):
    """A file was not written because another one of that name was there. The batch goes on."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the files go."""

    sidecar: bool = False
    """Whether there are text files at all."""
    sidecar_folder: Path | None = None
    """Where they go, in folders like those of the documents; beside the documents if None."""
    pdf_folder: Path | None = None
    """Where searchable PDFs go, in the same way; None for no PDFs."""

    @property
    def wanted(self) -> bool:
        """Whether there is anything to write."""
        return self.sidecar or self.pdf_folder is not None

    def check(self) -> None:
        """Raise `ConfigurationError` if what is wanted needs something that is not installed."""
        if self.pdf_folder:
            check_searchable()

    def write_missing(self, records: list[Record]) -> None:
        """Write those files of a document that are not there; none if it has changed since.

        Raises `PDFError` and `OutputError` as `write` does.
        """
        document = records[0]["file"]
        if version(document) == version_of(records[0]):
            for path in self.paths(document):
                if not path.exists():
                    write_file(path, _content(path, records))

    def paths(self, document: str) -> list[Path]:
        """All files of a document."""
        paths = []
        if self.sidecar:
            paths.append(target_of(document, self.sidecar_folder, TEXT_SUFFIX))
        if self.pdf_folder:
            paths.append(target_of(document, self.pdf_folder, PDF_SUFFIX))
        return paths

    def write(self, records: list[Record], *, replace: bool) -> None:
        """Write a document's files, from the records of all its pages, in order.

        Without `replace`, files that are there already stay: they may be somebody's own. Raises
        `KeptError` for them, `PDFError` when this document cannot be made into a searchable PDF,
        and `OutputError` when the file system does not take a file.
        """
        kept = []
        for path in self.paths(records[0]["file"]):
            if replace or not path.exists():
                write_file(path, _content(path, records))
            elif path.suffix == PDF_SUFFIX or path.read_bytes() != _content(path, records):
                kept.append(str(path))
        if kept:
            raise KeptError(f"{', '.join(kept)}: was there before, so it stays as it is")


def _content(path: Path, records: list[Record]) -> bytes:
    if path.suffix == PDF_SUFFIX:
        # Here, because it needs the extra `searchable`.
        from qwen_ocr_tools.exports.searchable import searchable_pdf

        return searchable_pdf(records[0]["file"], [page_of(record) for record in records])
    text = PAGE_BREAK.join(record["text"] for record in records)
    return f"{text}\n".encode(errors="replace")


@dataclass(slots=True)
class Collector:
    """Gathers the pages of documents until one is complete.

    Only documents some of whose pages are missing are held, and of the pages that are there their
    records: a document of one page, as most are, is handed on at once.
    """

    _pages: dict[str, dict[int, Record]] = field(default_factory=dict)

    def add(self, record: Record) -> list[Record] | None:
        """The records of the whole document in order of its pages, if this was the last missing."""
        name = record["file"]
        pages = self._pages.setdefault(name, {})
        if pages and version_of(next(iter(pages.values()))) != version_of(record):
            pages.clear()  # of a file that has changed since
        if "error" in record:
            pages.pop(record["page"], None)
            if not pages:
                del self._pages[name]
            return None
        pages[record["page"]] = {name: record[name] for name in KEPT if name in record}
        if len(pages) < record["pages"]:
            return None
        del self._pages[name]
        return [pages[number] for number in sorted(pages)]

    @property
    def incomplete(self) -> int:
        """Documents of several pages that wait for one of them."""
        return len(self._pages)
