"""Blocks that were read, as Markdown, and tables as HTML, too."""

import html
import re
from collections.abc import Sequence

from qwen_ocr.spacing import join_lines

_BULLET = re.compile(r"[-*•·–▪◦]\s+(?=\S)")
_NUMBER = re.compile(r"\d{1,3}[.)]\s+(?=\S)")
_STRUCTURE = re.compile(r"#{1,6}\s|>|[-+*]\s|```|~~~|={3}|-{3}")
"""What would make a line of text a heading, a quotation, a list, code or a rule."""

Cells = Sequence[Sequence[str]]
"""Rows of a table, all of the same length."""


def heading(text: str, level: int) -> str:
    """A title; `level` is 1 to 6."""
    return "#" * level + " " + " ".join(join_lines(text.splitlines()).split())


def paragraph(rows: Sequence[str], *, prose: bool) -> str:
    """Lines of text: running text or single lines, and a list from where one begins."""
    if rows and _item(rows[0]):
        return _list(rows)
    first = next((place for place, row in enumerate(rows) if _BULLET.match(row)), None)
    if first is not None:
        return paragraph(rows[:first], prose=prose) + "\n\n" + _list(rows[first:])
    if prose:
        return _escaped(join_lines(rows))
    return "  \n".join(map(_escaped, rows))  # two spaces: Markdown's line break


def table(cells: Cells, form: str) -> str:
    """A table as `markdown` or `html`; its first row is the head."""
    if form == "html":
        rows = (_html_row(row, "td" if number else "th") for number, row in enumerate(cells))
        return "<table>\n" + "\n".join(rows) + "\n</table>"
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + " --- |" * len(cells[0]), *lines[1:]])


def figure(name: str, description: str = "") -> str:
    """A link to a picture."""
    words = " ".join(description.replace("[", " ").replace("]", " ").split())
    return f"![{words or name}]({name})"


def _html_row(row: Sequence[str], tag: str) -> str:
    cells = (f"<{tag}>{html.escape(cell, quote=False)}</{tag}>" for cell in row)
    return f"<tr>{''.join(cells)}</tr>"


def _item(row: str) -> str:
    """The row as an item of a list; empty if it does not begin one."""
    if mark := _BULLET.match(row):
        return "- " + row[mark.end() :]
    if mark := _NUMBER.match(row):
        return mark[0].rstrip() + " " + row[mark.end() :]
    return ""


def _list(rows: Sequence[str]) -> str:
    items: list[str] = []
    for row in rows:
        if item := _item(row):
            items.append(item)
        else:
            items[-1] = join_lines([items[-1], row])
    return "\n".join(items)


def _escaped(text: str) -> str:
    return "\\" + text if _STRUCTURE.match(text) else text
