"""hOCR 1.2: HTML with a box for each block, line and word.

Boxes are in pixels of the page as it is displayed. Where that is turned, lines have `textangle`, as
Tesseract writes it; where it is askew, `baseline` with their slope.
"""

from math import radians, tan
from xml.etree.ElementTree import Element, SubElement

from qwen_ocr.documents import Block, Box, Document, Page
from qwen_ocr_tools.exports.places import (
    PlacedRow,
    blocks_of,
    displayed_box,
    displayed_size,
    rows_of,
    text_angle,
)
from qwen_ocr_tools.exports.xml import SOFTWARE, clean, number, software_version, written

_DOCTYPE = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
)
_CLASSES = {"header": "ocr_header", "footer": "ocr_footer", "image": "ocr_image"}
"""Of blocks that are not in the main text; all others are `ocr_carea`."""
_CAPABILITIES = " ".join(
    ["ocr_page", "ocr_carea", *_CLASSES.values(), "ocr_par", "ocr_line", "ocrx_word", "ocrp_wconf"]
)


def hocr(document: Document, name: str) -> bytes:
    """The file; `name` is the document's."""
    root = Element("html", {"xmlns": "http://www.w3.org/1999/xhtml"})
    head = SubElement(root, "head")
    SubElement(head, "title").text = clean(name)
    SubElement(head, "meta", {"http-equiv": "Content-Type", "content": "text/html; charset=utf-8"})
    system = f"{SOFTWARE} {software_version()}"
    SubElement(head, "meta", {"name": "ocr-system", "content": system})
    SubElement(head, "meta", {"name": "ocr-capabilities", "content": _CAPABILITIES})
    SubElement(head, "meta", {"name": "ocr-number-of-pages", "content": str(len(document.pages))})
    body = SubElement(root, "body")
    for page in document.pages:
        _add_page(body, page, clean(name).replace('"', "'"))
    return written(root, _DOCTYPE)


def _add_page(body: Element, page: Page, name: str) -> None:
    width, height = displayed_size(page)
    about = [f'image "{name}"', f"bbox 0 0 {width} {height}", f"ppageno {page.number - 1}"]
    about += [f"scan_res {page.dpi} {page.dpi}"] * bool(page.dpi)
    element = _element(body, "div", "ocr_page", f"page_{page.number}", about)
    for place, block in enumerate(blocks_of(page), 1):
        _add_block(element, page, block, f"{page.number}_{place}")


def _add_block(parent: Element, page: Page, block: Block, key: str) -> None:
    kind, bbox = _CLASSES.get(block.kind, "ocr_carea"), [_bbox(block.box, page)]
    element = _element(parent, "div", kind, f"block_{key}", bbox)
    rows = list(rows_of(block))
    if not rows:
        return
    paragraph = _element(element, "p", "ocr_par", f"par_{key}", bbox)
    for place, row in enumerate(rows, 1):
        _add_row(paragraph, page, row, f"{key}_{place}")


def _add_row(parent: Element, page: Page, row: PlacedRow, key: str) -> None:
    about = [_bbox(row.box, page)]
    if page.turned:
        about.append(f"textangle {number(text_angle(page))}")
    elif page.skew:
        about.append(_baseline(row, page))
    line = _element(parent, "span", "ocr_line", f"line_{key}", about)
    for place, word in enumerate(row.words, 1):
        if word.box is None:
            line.text = clean(" ".join(word.text for word in row.words))
            return
        facts = [_bbox(word.box, page)]
        if word.confidence is not None:
            facts.append(f"x_wconf {round(100 * word.confidence)}")
        _element(line, "span", "ocrx_word", f"word_{key}_{place}", facts).text = clean(word.text)


def _baseline(row: PlacedRow, page: Page) -> str:
    """Slope of the row's lower edge, and how far its left end is from the lower left of the bbox.

    A line that goes down to the right ends at the lowest point, one that goes up begins there.
    """
    left, _, right, _ = displayed_box(row.box, page)
    slope = tan(radians(page.skew))
    return f"baseline {number(slope)} {round(min(0.0, -slope * (right - left)))}"


def _bbox(box: Box, page: Page) -> str:
    return "bbox {} {} {} {}".format(*displayed_box(box, page))


def _element(parent: Element, tag: str, kind: str, name: str, about: list[str]) -> Element:
    return SubElement(parent, tag, {"class": kind, "id": name, "title": "; ".join(about)})
