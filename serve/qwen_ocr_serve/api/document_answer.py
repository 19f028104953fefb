"""A page that was read, as `POST /v1/ocr` answers it."""

import base64
from collections.abc import Iterator
from typing import Any, NamedTuple

from qwen_ocr.results import Word
from qwen_ocr_serve.api.document_request import OCRRequest
from qwen_ocr_serve.documents import markdown
from qwen_ocr_serve.documents.lines import Box
from qwen_ocr_serve.documents.reading import ReadBlock, ReadPage
from qwen_ocr_serve.http.errors import APIError


class Figure(NamedTuple):
    """A picture on a page."""

    id: str
    box: Box
    jpeg: bytes | None
    """Its file, if pictures were cut out."""


class PageAnswer:
    """Puts the answer about one page together."""

    def __init__(
        self, asked: OCRRequest, number: int, page: ReadPage, cut_out: list[bytes]
    ) -> None:
        """`number` counts from 0; `cut_out` are the files of all pictures, or none."""
        self._asked = asked
        self._number = number
        self._page = page
        self._tables: list[dict[str, str]] = []
        files: list[bytes | None] = [*cut_out] or [None] * len(page.blocks)
        self._figures = dict(self._wanted_figures(files))
        self.figures = list(self._figures.values())
        """The pictures that are wanted, in reading order."""

    def _wanted_figures(self, files: list[bytes | None]) -> Iterator[tuple[Box, Figure]]:
        least, most = self._asked.image_min_size or 0, self._asked.image_limit
        boxes = [block.box for block in self._page.blocks if block.kind == "image"]
        wanted = [
            (box, file)
            for box, file in zip(boxes, files, strict=False)
            if min(box[2] - box[0], box[3] - box[1]) >= least
        ]
        for place, (box, file) in enumerate(wanted[:most]):
            yield box, Figure(f"img-{place}.jpeg", box, file)

    def body(self, annotations: dict[str, str]) -> dict[str, Any]:
        """The page as JSON has it; `annotations` are about pictures, by their ids."""
        page, layout = self._page, self._page.layout
        contents = [self._content(block) for block in page.blocks]
        apart = {
            "header": self._asked.extract_header,
            "footer": self._asked.extract_footer,
        }
        parts = [
            content
            for block, content in zip(page.blocks, contents, strict=True)
            if content and not apart.get(block.kind)
        ]
        text = "\n\n".join(parts)
        body: dict[str, Any] = {
            "index": self._number,
            "markdown": text,
            "images": [self._image(figure, annotations) for figure in self.figures],
            "dimensions": {
                "dpi": round(layout.dpi),
                "height": layout.height,
                "width": layout.width,
            },
            "tables": self._tables,
            "hyperlinks": [],
            **{
                kind: "\n".join(b.text for b in page.blocks if b.kind == kind) or None
                for kind, extracted in apart.items()
                if extracted
            },
            "qwen_ocr": {
                "confidence": page.confidence,
                "warnings": list(page.warnings),
                "turned": layout.turned,
                "skew": round(layout.skew, 2),
                "text_layer": layout.text_layer,
            },
        }
        if self._asked.include_blocks:
            body["blocks"] = [
                self._block(block, content)
                for block, content in zip(page.blocks, contents, strict=True)
                if block.kind != "image" or block.box in self._figures
            ]
        granularity = self._asked.confidence_scores_granularity
        if granularity:
            scores: dict[str, Any] = {
                "average_page_confidence_score": page.confidence or 0.0,
                "minimum_page_confidence_score": _least(page.words) or 0.0,
            }
            if granularity == "word":
                scores["word_confidence_scores"] = list(_word_scores(page.words, text))
            body["confidence_scores"] = scores
        return body

    def _content(self, block: ReadBlock) -> str:
        """What a block adds to the Markdown."""
        if block.kind == "image":
            figure = self._figures.get(block.box)
            return markdown.figure(figure.id, block.text) if figure else ""
        if not block.text:
            return ""
        if block.kind == "title":
            return markdown.heading(block.text.lstrip("# "), block.level)
        if block.whole:
            return block.text
        if block.kind == "table":
            return self._table(block)
        return markdown.paragraph(block.lines, prose=block.prose)

    def _table(self, block: ReadBlock) -> str:
        form = self._asked.table_format
        content = markdown.table(block.cells, form or "markdown")
        if form is None:
            return content
        name = f"tbl-{len(self._tables)}.{'md' if form == 'markdown' else 'html'}"
        self._tables.append({"id": name, "content": content, "format": form})
        return f"[{name}]({name})"

    def _image(self, figure: Figure, annotations: dict[str, str]) -> dict[str, Any]:
        data = figure.jpeg if self._asked.include_image_base64 else None
        encoded = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" if data else None
        return {
            "id": figure.id,
            **_corners(figure.box),
            "image_base64": encoded,
            "image_annotation": annotations.get(figure.id),
        }

    def _block(self, block: ReadBlock, content: str) -> dict[str, Any]:
        words = block.words
        body: dict[str, Any] = {
            "type": "text" if block.kind == "page" else block.kind,
            "content": content,
            **_corners(block.box),
            "qwen_ocr": {"lines": [*_lines(block)]},
        }
        if block.kind == "image":
            body["image_id"] = self._figures[block.box].id
        if self._asked.confidence_scores_granularity == "block":
            body["confidence_scores"] = {
                "average_content_confidence_score": block.confidence,
                "minimum_content_confidence_score": _least(words),
            }
        return body


def failed_page(number: int, error: APIError) -> dict[str, Any]:
    """A page that could not be read, with the reason."""
    return {
        "index": number,
        "markdown": "",
        "images": [],
        "dimensions": None,
        "qwen_ocr": {"error": {"code": error.code, "message": error.message}},
    }


def _corners(box: Box) -> dict[str, int]:
    names = ("top_left_x", "top_left_y", "bottom_right_x", "bottom_right_y")
    return dict(zip(names, box, strict=True))


def _lines(block: ReadBlock) -> Iterator[dict[str, Any]]:
    """The lines of a block with their boxes, those of their words, and the confidence in these."""
    for row in block.rows:
        for piece in row:
            if piece.text:
                yield {
                    "text": piece.text,
                    "box": piece.piece.box,
                    "words": piece.piece.words,
                    "confidence": [round(word.confidence, 4) for word in piece.words],
                }


def _least(words: tuple[Word, ...]) -> float | None:
    return min((word.confidence for word in words), default=None)


def _word_scores(words: tuple[Word, ...], text: str) -> Iterator[dict[str, Any]]:
    place = 0
    for word in words:
        place = max(text.find(word.text, place), 0)
        yield {"text": word.text, "confidence": word.confidence, "start_index": place}
        place += len(word.text)
