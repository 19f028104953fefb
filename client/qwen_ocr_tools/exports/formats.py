"""The formats by name: what each asks of the server, and what is written."""

from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple

from qwen_ocr.documents import Document
from qwen_ocr.errors import ConfigurationError

Format = Literal["text", "json", "markdown", "hocr", "alto", "pdf"]

SUFFIXES: dict[Format, str] = {
    "text": ".txt",
    "json": ".json",
    "markdown": ".md",
    "hocr": ".hocr",
    "alto": ".xml",
    "pdf": ".pdf",
}
"""Of the files."""


class Original(NamedTuple):
    """The document that was read."""

    name: str
    """Its path, or what to call it."""
    data: bytes | None = None
    """What is in it, if it is not at that path."""
    password: str | None = None


def needs_blocks(form: Format) -> bool:
    """Whether a format needs the lines and not only the Markdown of a page."""
    return form != "markdown"


def check_searchable() -> None:
    """Raise `ConfigurationError` where searchable PDFs cannot be made."""
    try:
        import_module("qwen_ocr_tools.exports.searchable")
    except ImportError as exc:
        raise ConfigurationError(
            f"searchable PDFs need {exc.name}: pip install 'qwen-ocr[searchable]'"
        ) from exc


def figures_folder(target: Path) -> Path:
    """Where the pictures of a Markdown file go."""
    return target.with_suffix(".figures")


def content(document: Document, form: Format, original: Original, folder: str = "") -> bytes:
    """The file of a document; `folder` is what the one with its pictures is called.

    Raises `PDFError` for a document that cannot be made into a searchable PDF, and `ImportError`
    where the extra `searchable` is not installed.
    """
    from qwen_ocr_tools.exports import texts
    from qwen_ocr_tools.exports.alto import alto
    from qwen_ocr_tools.exports.hocr import hocr

    if form == "text":
        return texts.plain_text(document)
    if form == "json":
        return texts.json_document(document, original.name)
    if form == "markdown":
        return texts.markdown(document, folder)
    if form == "hocr":
        return hocr(document, original.name)
    if form == "alto":
        return alto(document, original.name)
    from qwen_ocr_tools.exports.searchable import searchable_pdf

    return searchable_pdf(original.name, document.pages, original.data, original.password)
