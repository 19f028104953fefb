"""A page as HTML in blocks with boxes, as Chandra writes it, to blocks of Markdown."""

import re
from html.parser import HTMLParser

from qwen_ocr.blocks import Block, kind_of
from qwen_ocr.boxes import read_box

_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*", "del": "~~"}
_KEPT = frozenset({"sup", "sub", "u"})
_TABLE_ATTRIBUTES = ("colspan", "rowspan")
_UNFINISHED_TAG = re.compile(r"<[a-zA-Z/][^<>]*\Z")
_DROPPED = frozenset({"blank_page"})


def read_html(text: str) -> list[Block]:
    """The blocks of a page; what stands outside of one is a block of text without a box."""
    reader = _Reader()
    reader.feed(_UNFINISHED_TAG.sub("", text))
    reader.close()
    reader.end_block()
    return reader.blocks


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._parts: list[str] = []
        self._label = ""
        self._box: str | None = None
        self._divs = 0
        self._tables = 0
        self._lists: list[int | None] = []
        self._verbatim = 0

    def end_block(self) -> None:
        """What was read since the last block is one."""
        text = re.sub(r"(?<! ) \n", "\n", "".join(self._parts))  # two spaces are a line break
        text = re.sub(r"\n{3,}", "\n\n", text).strip()
        label = self._label.lower().replace("-", "_")
        if (text or self._box) and label not in _DROPPED:
            self.blocks.append(Block(kind_of(self._label), text, read_box(self._box)))
        self._parts, self._label, self._box = [], "", None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "div":
            if self._divs == 0 or "data-bbox" in given:
                self.end_block()
                self._label, self._box = given.get("data-label") or "", given.get("data-bbox")
            self._divs += 1
        elif tag == "table" or self._tables:
            self._tables += tag == "table"
            spans = "".join(f' {n}="{given[n]}"' for n in _TABLE_ATTRIBUTES if given.get(n))
            self._parts.append(f"<{tag}{spans}>")
        else:
            self._start(tag, given)

    def _start(self, tag: str, given: dict[str, str | None]) -> None:
        if tag in _HEADINGS:
            self._parts.append("\n\n" + _HEADINGS[tag])
        elif tag in _MARKS:
            self._parts.append(_MARKS[tag])
        elif tag in _KEPT:
            self._parts.append(f"<{tag}>")
        elif tag == "p":
            self._parts.append("" if self._lists else "\n\n")
        elif tag == "br":
            self._parts.append("  \n")
        elif tag == "hr":
            self._parts.append("\n\n---\n\n")
        elif tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._item()
        elif tag == "math":
            self._verbatim += 1
            self._parts.append("\n\n$$" if given.get("display") == "block" else "$")
        elif tag == "pre":
            self._verbatim += 1
            self._parts.append("\n\n```\n")
        elif tag == "input":
            ticked = "checked" in given
            self._parts.append("☑ " if ticked else "☐ " if given.get("type") != "text" else "")
        elif tag == "img" and given.get("alt"):
            alt = re.sub(r"[\[\]\s]+", " ", given["alt"] or "").strip()
            self._parts.append(f"![{alt}]()")

    def _item(self) -> None:
        depth = max(len(self._lists) - 1, 0)
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        mark = "-" if number is None else f"{number + 1}."
        self._parts.append("\n" + "  " * depth + mark + " ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self._divs = max(self._divs - 1, 0)
            if self._divs == 0:
                self.end_block()
        elif self._tables:
            self._tables -= tag == "table"
            self._parts.append(f"</{tag}>")
        elif tag in _MARKS:
            self._parts.append(_MARKS[tag])
        elif tag in _KEPT:
            self._parts.append(f"</{tag}>")
        elif tag in ("ul", "ol"):
            self._lists[-1:] = []
            self._parts.append("\n")
        elif tag == "math":
            self._verbatim = max(self._verbatim - 1, 0)
            block = next((p for p in reversed(self._parts) if p.strip() in ("$", "$$")), "$")
            self._parts.append("$$\n\n" if block.strip() == "$$" else "$")
        elif tag == "pre":
            self._verbatim = max(self._verbatim - 1, 0)
            self._parts.append("\n```\n\n")
        elif tag in _HEADINGS or tag == "p":
            self._parts.append("" if self._lists else "\n\n")

    def handle_data(self, data: str) -> None:
        if not self._verbatim:
            data = re.sub(r"\s+", " ", data)
            if self._parts and self._parts[-1].endswith(" "):
                data = data.removeprefix(" ")
        self._parts.append(data)
