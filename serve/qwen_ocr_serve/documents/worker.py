"""A process that opens documents and analyses their pages, until its input ends.

A task is a line of JSON, see `Task`. An answer is a line of JSON, `{"layout", "page_count",
"pieces", "figures"}` or `{"error", "code"}`, and the files whose lengths `pieces` and `figures`
list. The document that was opened last stays open: its next page is most often wanted next.

Documents are written by strangers and read by large C and C++ libraries. So this process knows no
secrets, writes no file and has a limit on its memory; `workers` ends it when it takes too long.
"""

import io
import json
import resource
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from qwen_ocr.errors import OCRError
from qwen_ocr.families import Family
from qwen_ocr_serve.documents.analysis import (
    AnalysedImage,
    analyse,
    analyse_blocks,
    crops,
    cut_out,
    is_legible,
    lay_out,
    turn,
)
from qwen_ocr_serve.documents.document import Document
from qwen_ocr_serve.documents.layout import LAYOUT
from qwen_ocr_serve.documents.lines import Box

MEMORY = 4 * 2**30
"""Bytes of address space, most of it the libraries'."""


class Task(BaseModel):
    """What to do with a page."""

    document: int
    """The document's number: the same for all tasks about one."""
    path: str
    """Where it is."""
    password: str | None = None
    page: int | None = None
    """From 0; None to count the pages."""
    dpi: float = 200.0
    """At which a page of a PDF is rendered."""
    cut: Literal["lines", "blocks", "page"] = "lines"
    """Into which pieces the page is cut; `page` leaves it in one."""
    family: Family | None = None
    """Of the model: what is too large for it is shrunk, and a page that would not be legible then
    is cut into blocks. None for a model of which nothing is known."""
    figures: bool = False
    """Whether its pictures are cut out."""
    text_layer: bool = False
    """Whether the PDF's own text is taken where there is a good one."""
    cut_out: list[Box] = []
    """For parts of the page and nothing else: where they are, on the page turned by `turned`."""
    turned: int = 0
    width: float | None = None
    """For a picture of the page and nothing else: how wide it may be, in pixels."""


class _Open:
    """The document that was opened last."""

    def __init__(self) -> None:
        self._key: tuple[int, str | None] | None = None
        self._document: Document | None = None

    def get(self, task: Task) -> Document:
        key = (task.document, task.password)
        if self._document is None or self._key != key:
            if self._document is not None:
                self._document.close()
                self._document = None
            self._document = Document(Path(task.path).read_bytes(), task.password)
            self._key = key
        return self._document


def main() -> None:
    """Answer tasks until there are none."""
    limit()
    answers = sys.stdout.buffer
    opened = _Open()
    for line in sys.stdin.buffer:
        answer: dict[str, Any]
        files: list[bytes] = []
        try:
            answer, files = _answer(Task.model_validate_json(line), opened)
        except OCRError as exc:
            answer = {"error": str(exc), "code": exc.code}
        except MemoryError:
            answer = {"error": "the page takes too much memory"}
        answers.write(json.dumps(answer).encode() + b"\n" + b"".join(files))
        answers.flush()


def limit() -> None:
    """Whatever a document makes of this process, it stays small and writes no file."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(task: Task, opened: _Open) -> tuple[dict[str, Any], list[bytes]]:
    document = opened.get(task)
    answer: dict[str, Any] = {"page_count": document.page_count}
    if task.page is None:
        return answer, []
    if task.width is not None:
        picture = io.BytesIO()
        page = document.picture(task.page, task.dpi, task.width)
        page.save(picture, "PNG", compress_level=1)
        files = [picture.getvalue()]
        return {**answer, "pieces": [len(files[0])], "figures": []}, files
    if task.cut_out:
        files = cut_out(document.picture(task.page, task.dpi), task.turned, task.cut_out)
        return {**answer, "figures": [len(file) for file in files]}, files
    layout, pieces, figures = _analyse(task, task.page, document)
    answer["layout"] = LAYOUT.dump_python(layout)
    answer["pieces"] = [len(piece) for piece in pieces]
    answer["figures"] = [len(figure) for figure in figures]
    return answer, [*pieces, *figures]


def _analyse(task: Task, page: int, document: Document) -> AnalysedImage:
    dpi = document.dpi(page, task.dpi)
    if task.text_layer and (found := document.text_layer(page, task.dpi)):
        layout = lay_out(*found, dpi)
        wanted = task.figures and any(block.kind == "image" for block in layout.blocks)
        return AnalysedImage(
            layout, [], crops(document.picture(page, task.dpi), layout) if wanted else []
        )
    image = document.picture(page, task.dpi)
    if task.cut == "lines":
        return analyse(image, dpi, figures=task.figures)
    if task.cut == "page" and (task.family is None or is_legible(image, task.family)):
        return turn(image, dpi, task.family)
    return analyse_blocks(image, dpi, task.family, figures=task.figures)


if __name__ == "__main__":
    main()
