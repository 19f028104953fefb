"""What models write besides the text of a page, in its many forms, to Markdown and blocks.

Which form a model was taught is `Profile.output`. Answers in any other are taken for Markdown.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from qwen_ocr.blocks import Block, Box, Parsed, kind_of, picture_text, to_markdown
from qwen_ocr.boxes import read_box
from qwen_ocr.html_blocks import read_html
from qwen_ocr.latex_tables import tables_to_html
from qwen_ocr.loose_json import read_json

_FENCE = re.compile(
    r"\A\s*```[ \t]*(?:markdown|md|html|json|yaml)?[ \t]*\n(.*?)\n?(?:```\s*)?\Z", re.DOTALL
)
_THOUGHT = re.compile(r"\A.*</think>\s*", re.DOTALL)
# Of Qwen3-VL, see its cookbook document_parsing: thousandths of the image.
_COMMENT = re.compile(r"[ \t]*<!--\s*(Table|Image)\s*\(([^()]*)\)\s*-->[ \t]*\n?", re.IGNORECASE)
# Of olmOCR: https://github.com/allenai/olmocr, olmocr/prompts/prompts.py.
_FRONT_MATTER = re.compile(r"\A\s*---\s*\n(.*?)(?:\n---+[ \t]*(?:\n|\Z)|\Z)", re.DOTALL)
_FACTS = {"primary_language", "is_rotation_valid"}
_FIELD = re.compile(r"^(\w+):[ \t]*(\S*)", re.MULTILINE)
_OLMOCR_PICTURE = re.compile(r"!\[[^\]]*\]\(page_(\d+)_(\d+)_(\d+)_(\d+)\.\w+\)")
# Of LightOnOCR-3, and of the -bbox models of LightOnOCR-2: thousandths of the image.
_MARKER = re.compile(
    r"!\[([A-Za-z_][\w-]*)(\+?)\]\((?:\s*(\d+\s*,\s*\d+\s*,\s*\d+\s*,\s*\d+)\s*\)"
    r"|[^()\s]*\)\s*(\d+,\d+,\d+,\d+))[ \t]*"
)
# Of Nanonets-OCR2, on lines of their own: those in a table stay there.
_TAG = re.compile(
    r"^[ \t]*<(img|watermark|page_number)>(.*?)</\1>[ \t]*$", re.DOTALL | re.MULTILINE
)


def read_markup(text: str, output: str) -> Parsed:
    """What an answer says, in a form of `OUTPUTS`."""
    text = without_thought(text)
    return OUTPUTS.get(output, _markdown)(text)


def without_thought(text: str) -> str:
    """The text after a model's reasoning, of which templates and servers may keep the end only."""
    return _THOUGHT.sub("", text) if "</think>" in text else text


def _unfenced(text: str) -> str:
    match = _FENCE.match(text)
    # A page that begins and ends with code has fences in between, too.
    return match.group(1) if match and "\n```" not in match.group(1) else text


def _markdown(text: str) -> Parsed:
    """Markdown in a fence, with comments that say where tables and pictures are."""
    text = _unfenced(text)
    blocks: list[Block] = []
    before: tuple[str, Box | None] = ("text", None)
    start = 0
    for match in _COMMENT.finditer(text):
        blocks += _parts(text[start : match.start()], *before)
        box = read_box(match.group(2))
        start = match.end()
        if match.group(1).lower() == "image":
            blocks.append(Block("image", "", box))
            before = ("text", None)
        else:
            before = ("table", box)
    if not blocks and before[1] is None:
        return Parsed(tables_to_html(text).strip())
    blocks += _parts(text[start:], *before)
    return Parsed(to_markdown(blocks), tuple(blocks))


def _parts(text: str, kind: str, box: Box | None) -> list[Block]:
    """A table and the text after it, or text alone."""
    text = tables_to_html(text).strip()
    if kind != "table":
        return [Block("text", text)] if text else []
    end = text.rfind("</table>") + len("</table>") if text.startswith("<table") else -1
    table, rest = (text[:end], text[end:]) if end > 0 else text.partition("\n\n")[::2]
    return [Block("table", table.strip(), box), *_parts(rest, "text", None)]


def _front_matter(text: str) -> Parsed:
    """Markdown after facts about the page."""
    text = _unfenced(text)
    match = _FRONT_MATTER.match(text)
    if match is None or not _FACTS & set(dict(_FIELD.findall(match.group(1)))):
        return _markdown(text)._replace(understood="primary_language" not in text[:200])
    facts = dict(_FIELD.findall(match.group(1)))
    body = text[match.end() :].strip()
    turned = 0
    if facts.get("is_rotation_valid", "").lower() == "false":
        correction = facts.get("rotation_correction", "")
        turned = int(correction) % 360 if correction.isdecimal() else 0
    pictures = []
    for place in _OLMOCR_PICTURE.finditer(body):
        left, top, width, height = map(int, place.groups())
        box = (left, top, left + width, top + height)
        pictures.append(Block("image", place.group(0).partition("]")[0][2:], box))
    if not pictures:
        return Parsed(tables_to_html(body), turned=turned)
    markdown = re.sub(r"\(page_\d+_\d+_\d+_\d+\.\w+\)", "()", body)
    return Parsed(markdown, tuple(pictures), turned=turned)


def _markers(text: str) -> Parsed:
    """Markdown in which a marker with a label and a box stands before each block."""
    marks = list(_MARKER.finditer(text))
    if not marks:
        return _markdown(text)
    blocks = []
    if before := text[: marks[0].start()].strip():
        blocks.append(Block("text", before))
    for place, mark in enumerate(marks):
        end = marks[place + 1].start() if place + 1 < len(marks) else len(text)
        label, plus, inside, behind = mark.groups()
        content, box = text[mark.end() : end].strip(), read_box(inside or behind)
        if behind:  # a picture in plain text, which goes on after it
            blocks.append(Block("image", "", box))
            blocks += [Block("text", content)] if content else []
        else:
            blocks.append(Block(kind_of(label), content, box, continues=bool(plus)))
    return Parsed(to_markdown(blocks), tuple(blocks))


def _html(text: str) -> Parsed:
    """HTML in blocks with boxes."""
    text = _unfenced(text)
    if "<" not in text:
        return _markdown(text)
    blocks = read_html(text)
    return Parsed(to_markdown(blocks), tuple(blocks))


def _layout(text: str) -> Parsed:
    """JSON: a list of elements with box, category and text. Pictures have no text."""
    if not _unfenced(text).lstrip().startswith(("[", "{")):
        return _markdown(text)
    try:
        value = read_json(text)
    except ValueError:
        return Parsed(text, understood=False)
    if isinstance(value, Mapping):
        lists = [part for part in value.values() if isinstance(part, list)]
        nested = [part for part in lists if part and isinstance(part[0], Mapping)]
        value = nested[0] if nested else [value]
    blocks = [block for item in value if (block := _element(item))]
    if not blocks and value:
        return Parsed(text, understood=False)
    return Parsed(to_markdown(blocks), tuple(blocks))


def _element(item: Any) -> Block | None:
    if not isinstance(item, Mapping) or not {"bbox", "bbox_2d", "category", "text"} & item.keys():
        return None
    label, text = item.get("category"), item.get("text")
    box = read_box(item.get("bbox", item.get("bbox_2d")))
    content = text if isinstance(text, str) else ""
    return Block(kind_of(label if isinstance(label, str) else ""), content, box)


def _tags(text: str) -> Parsed:
    """Markdown with tags for pictures, watermarks and page numbers."""
    text = _unfenced(text)
    blocks: list[Block] = []
    start = 0
    for match in _TAG.finditer(text):
        if before := text[start : match.start()].strip():
            blocks.append(Block("text", before))
        kind = {"img": "image", "page_number": "footer"}.get(match.group(1), "text")
        content = match.group(2).strip()
        blocks.append(Block(kind, picture_text(content) if kind == "image" else content))
        start = match.end()
    if not blocks:
        return _markdown(text)
    if rest := text[start:].strip():
        blocks.append(Block("text", rest))
    return Parsed(to_markdown(blocks), tuple(blocks))


OUTPUTS: Final[Mapping[str, Callable[[str], Parsed]]] = {
    "markdown": _markdown,
    "front_matter": _front_matter,
    "markers": _markers,
    "html": _html,
    "layout": _layout,
    "tags": _tags,
}
"""The forms, by the names that `Profile.output` has for them."""

WITH_PLACES: Final = frozenset({"html", "layout"})
"""The forms that tell where every block is."""
