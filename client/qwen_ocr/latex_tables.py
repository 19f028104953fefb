"""LaTeX tables to HTML: Qwen3-VL writes the tables of its Markdown in LaTeX."""

import html
import re
from collections.abc import Iterator

_TABLE = re.compile(
    r"(?:\\begin\{table\*?\}.*?)?\\begin\{tabular\*?\}(?P<rest>.*?)"
    r"(?:\\end\{tabular\*?\}(?:\s*\\end\{table\*?\})?|\Z)",
    re.DOTALL,
)
_RULES = re.compile(r"\\(?:hline|toprule|midrule|bottomrule|centering|(?:cline|cmidrule)\{[^}]*\})")
_SPAN = re.compile(r"\\multi(column|row)\s*\{\s*(\d+)\s*\}\s*\{[^{}]*\}\s*\{(.*)\}\s*\Z", re.DOTALL)
_STYLE = re.compile(r"\\(?:textbf|textit|text|emph|underline|mathrm|makecell)\s*\{([^{}]*)\}")
_SIGNS = re.compile(r"\\([&%$#_{}])")
_MOST_SPANNED = 100


def tables_to_html(text: str) -> str:
    """`text` with each LaTeX table in it as HTML. A table that is cut off ends with the text."""
    return _TABLE.sub(lambda match: _html(_body(match.group("rest"))), text)


def _body(rest: str) -> str:
    """The rows, without the description of the columns before them."""
    rest = re.sub(r"\A\s*(?:\[[^\]]*\])?", "", rest)
    if not rest.startswith("{"):
        return rest
    depth = 0
    for at, sign in enumerate(rest):
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            return rest[at + 1 :]
    return ""


def _html(body: str) -> str:
    rows = []
    below: dict[int, int] = {}
    for row in re.split(r"\\\\(?:\[[^\]]*\])?", _RULES.sub("", body)):
        if row.strip():
            rows.append("<tr>" + "".join(_cells(row, below)) + "</tr>")
    return "<table>" + "".join(rows) + "</table>"


def _cells(row: str, below: dict[int, int]) -> Iterator[str]:
    """The cells of a row. `below` counts the rows that cells from above still cover, by column."""
    column = 0
    for cell in re.split(r"(?<!\\)&", row):
        content, attributes, width, height = cell.strip(), "", 1, 1
        while span := _SPAN.match(content):
            direction, count, content = span.groups()
            number = min(int(count), _MOST_SPANNED)
            if direction == "column":
                width, attributes = number, attributes + f' colspan="{number}"'
            else:
                height, attributes = number, attributes + f' rowspan="{number}"'
        covered = below.get(column, 0)
        for place in range(column, column + width):
            below[place] = height - 1 if not covered else below.get(place, 1) - 1
        column += width
        # Below a cell of several rows, LaTeX has an empty one, and HTML none.
        if not (covered and not content):
            yield f"<td{attributes}>{_plain(content)}</td>"


def _plain(content: str) -> str:
    while (shorter := _STYLE.sub(r"\1", content)) != content:
        content = shorter
    return html.escape(_SIGNS.sub(r"\1", content).strip(), quote=False)
