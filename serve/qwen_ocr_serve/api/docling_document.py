"""Pages as `POST /v1/ocr` answers them, in docling's formats.

The JSON is a DoclingDocument, as `docling_core.types.doc` defines it, with what is known here:
texts, titles, tables and pictures in reading order, each with its page and its box.
"""

import re
from collections.abc import Iterable
from typing import Any

_VERSION = "1.10.0"
"""Of the schema of DoclingDocument."""
_POINTS = 72
"""Docling measures pages in points, which an inch has so many of."""
_PLACEHOLDER = "<!-- image -->"
"""What docling writes where a picture is."""
_ROW = re.compile(r"\|(.*)\|", re.DOTALL)
_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"[\s:|-]+")
_LABELS = {"title": "section_header", "header": "page_header", "footer": "page_footer"}
_Page = dict[str, Any]
_Item = dict[str, Any]


def joined_markdown(pages: Iterable[_Page], placeholder: str, *, embedded: bool) -> str:
    """The Markdown of all pages, with `placeholder` between them.

    Pictures are marked, or `embedded` as `data:` URLs.
    """
    texts = []
    for page in pages:
        text = page["markdown"]
        for image in page["images"]:
            link, data = f"![{image['id']}]({image['id']})", image["image_base64"]
            text = text.replace(link, f"![Image]({data})" if embedded and data else _PLACEHOLDER)
        texts.append(text)
    return (f"\n\n{placeholder}\n\n" if placeholder else "\n\n").join(filter(None, texts))


def plain_text(pages: Iterable[_Page]) -> str:
    """The text of all pages, with an empty line between blocks."""
    return "\n\n".join(
        filter(None, (_text(block) for page in pages for block in page.get("blocks", ())))
    )


def docling_document(pages: Iterable[_Page], name: str) -> dict[str, Any]:
    """The pages as one DoclingDocument, as JSON has it."""
    document = _Document()
    for page in pages:
        document.add(page)
    return {
        "schema_name": "DoclingDocument",
        "version": _VERSION,
        "name": name.rpartition(".")[0] or name,
        "furniture": _root("furniture", []),
        "body": _root("body", document.children),
        "groups": [],
        **document.items,
        "key_value_items": [],
        "form_items": [],
        "pages": document.pages,
    }


def _root(layer: str, children: list[dict[str, str]]) -> _Item:
    return {
        "self_ref": f"#/{layer}",
        "children": children,
        "content_layer": layer,
        "name": "_root_",
        "label": "unspecified",
    }


class _Document:
    """Gathers the items of a document."""

    def __init__(self) -> None:
        self.items: dict[str, list[_Item]] = {"texts": [], "pictures": [], "tables": []}
        self.children: list[dict[str, str]] = []
        self.pages: dict[str, _Item] = {}

    def add(self, page: _Page) -> None:
        """Add a page; nothing of one that could not be read."""
        size = page["dimensions"]
        if size is None:
            return
        number, scale = page["index"] + 1, _POINTS / size["dpi"]
        self.pages[str(number)] = {
            "size": {"width": size["width"] * scale, "height": size["height"] * scale},
            "page_no": number,
        }
        for block in page.get("blocks", ()):
            self._add_block(block, number, scale, size["height"])

    def _add_block(self, block: _Item, number: int, scale: float, height: int) -> None:
        text, kind = _text(block), block["type"]
        cells = _cells(block["content"]) if kind == "table" else []
        layer = "furniture" if kind in ("header", "footer") else "body"
        box = {
            # From the lower left corner, as in a PDF.
            "l": block["top_left_x"] * scale,
            "t": (height - block["top_left_y"]) * scale,
            "r": block["bottom_right_x"] * scale,
            "b": (height - block["bottom_right_y"]) * scale,
            "coord_origin": "BOTTOMLEFT",
        }
        item: _Item = {
            "children": [],
            "content_layer": layer,
            "prov": [{"page_no": number, "bbox": box, "charspan": [0, len(text)]}],
        }
        captions: _Item = {"captions": [], "references": [], "footnotes": []}
        if kind == "image":
            self._append("pictures", item | captions | {"label": "picture", "annotations": []})
        elif cells:
            self._append("tables", item | captions | {"label": "table", "data": _table(cells)})
        elif text:
            item |= {"label": _LABELS.get(kind, "text"), "orig": text, "text": text}
            if kind == "title":
                item["level"] = len(block["content"]) - len(block["content"].lstrip("#")) or 1
            self._append("texts", item)

    def _append(self, group: str, item: _Item) -> None:
        reference = f"#/{group}/{len(self.items[group])}"
        self.items[group].append({"self_ref": reference, "parent": {"$ref": "#/body"}, **item})
        self.children.append({"$ref": reference})


def _text(block: _Item) -> str:
    """The lines of a block; its Markdown where lines are not known, nothing for a picture."""
    if block["type"] == "image":
        return ""
    lines = block["qwen_ocr"]["lines"]
    return "\n".join(line["text"] for line in lines) or str(block["content"])


def _cells(markdown: str) -> list[list[str]]:
    """The cells of a table, row by row; none of what is no table in Markdown."""
    rows: list[list[str]] = []
    for line in markdown.splitlines():
        if not (match := _ROW.fullmatch(line.strip())):
            return []
        if len(rows) == 1 and _RULE.fullmatch(line):
            continue
        rows.append([cell.strip().replace("\\|", "|") for cell in _BAR.split(match[1])])
    return rows


def _table(rows: list[list[str]]) -> _Item:
    """A table, whose first row is its head."""
    grid = [
        [
            {
                "row_span": 1,
                "col_span": 1,
                "start_row_offset_idx": y,
                "end_row_offset_idx": y + 1,
                "start_col_offset_idx": x,
                "end_col_offset_idx": x + 1,
                "text": cell,
                "column_header": y == 0,
                "row_header": False,
                "row_section": False,
            }
            for x, cell in enumerate(row)
        ]
        for y, row in enumerate(rows)
    ]
    return {
        "table_cells": [cell for row in grid for cell in row],
        "num_rows": len(rows),
        "num_cols": max(map(len, rows), default=0),
        "grid": grid,
    }
