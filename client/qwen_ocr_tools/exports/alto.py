"""ALTO 4.4 (Library of Congress): XML with a box for each block, line and word.

Boxes are in pixels of the page as it is displayed.
`ROTATION` of a page says how its text is turned.
"""

from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement

from qwen_ocr.documents import Block, Box, Document, Page
from qwen_ocr_tools.exports.places import (
    PlacedRow,
    PlacedWord,
    blocks_of,
    displayed_box,
    displayed_size,
    rows_of,
    text_angle,
)
from qwen_ocr_tools.exports.xml import SOFTWARE, clean, number, software_version, written

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"


def alto(document: Document, name: str) -> bytes:
    """The file; `name` is the document's."""
    attributes = {
        "xmlns": NAMESPACE,
        "xmlns:xsi": _XSI,
        "xsi:schemaLocation": f"{NAMESPACE} {_SCHEMA}",
        "SCHEMAVERSION": "4.4",
    }
    root = Element("alto", attributes)
    description = SubElement(root, "Description")
    SubElement(description, "MeasurementUnit").text = "pixel"
    source = SubElement(description, "sourceImageInformation")
    SubElement(source, "fileName").text = clean(name)
    processing = SubElement(description, "Processing", {"ID": "ocr"})
    software = SubElement(processing, "processingSoftware")
    SubElement(software, "softwareName").text = SOFTWARE
    SubElement(software, "softwareVersion").text = software_version()
    tags = SubElement(root, "Tags")
    kinds = {block.kind for page in document.pages for block in blocks_of(page)} - {"image"}
    names = {kind: f"kind_{place}" for place, kind in enumerate(sorted(kinds))}
    for kind, key in names.items():
        SubElement(tags, "LayoutTag", {"ID": key, "LABEL": clean(kind)})
    layout = SubElement(root, "Layout")
    for page in document.pages:
        _add_page(layout, page, names)
    return written(root)


def _add_page(layout: Element, page: Page, tags: dict[str, str]) -> None:
    width, height = map(str, displayed_size(page))
    about = {
        "ID": f"page_{page.number}",
        "PHYSICAL_IMG_NR": str(page.number),
        "WIDTH": width,
        "HEIGHT": height,
    }
    if page.confidence is not None:
        about["PC"] = number(page.confidence)
    if angle := text_angle(page):
        about["ROTATION"] = number(angle)
    element = SubElement(layout, "Page", about)
    edges = {"HPOS": "0", "VPOS": "0", "WIDTH": width, "HEIGHT": height}
    space = SubElement(element, "PrintSpace", edges)
    for place, block in enumerate(blocks_of(page), 1):
        _add_block(space, page, block, tags, f"{page.number}_{place}")


def _add_block(space: Element, page: Page, block: Block, tags: dict[str, str], key: str) -> None:
    about = {"ID": f"block_{key}", **_edges(displayed_box(block.box, page))}
    if block.kind == "image":
        SubElement(space, "Illustration", about)
        return
    element = SubElement(space, "TextBlock", {**about, "TAGREFS": tags[block.kind]})
    for place, row in enumerate(rows_of(block), 1):
        line = {"ID": f"line_{key}_{place}", **_edges(displayed_box(row.box, page))}
        _add_words(SubElement(element, "TextLine", line), page, row)


def _add_words(line: Element, page: Page, row: PlacedRow) -> None:
    _add_word(line, page, row.words[0])
    for before, word in pairwise(row.words):
        gap: dict[str, str] = {}
        if before.box and word.box and before.box[2] <= word.box[0]:
            between = before.box[2], word.box[1], word.box[0], word.box[3]
            gap = _edges(displayed_box(between, page))
        SubElement(line, "SP", gap)
        _add_word(line, page, word)


def _add_word(line: Element, page: Page, word: PlacedWord) -> None:
    about = {"CONTENT": clean(word.text)}
    if word.box:
        about |= _edges(displayed_box(word.box, page))
    if word.confidence is not None:
        about["WC"] = number(word.confidence)
    SubElement(line, "String", about)


def _edges(box: Box) -> dict[str, str]:
    left, top, right, bottom = box
    sides = {"HPOS": left, "VPOS": top, "WIDTH": right - left, "HEIGHT": bottom - top}
    return {name: str(value) for name, value in sides.items()}
