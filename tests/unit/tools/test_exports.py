"""Files that are made of documents: text, words and boxes are where the page has them."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pypdfium2
import pytest
from PIL import Image, ImageDraw

from qwen_ocr import Block, Document, Figure, Line, OCRError, Page, PDFError, Word
from qwen_ocr_tools.exports.alto import NAMESPACE, alto
from qwen_ocr_tools.exports.hocr import hocr
from qwen_ocr_tools.exports.places import blocks_of, displayed_box, rows_of, words_of
from qwen_ocr_tools.exports.searchable import searchable_pdf
from qwen_ocr_tools.exports.texts import figure_files, json_document, markdown, plain_text

XHTML = "{http://www.w3.org/1999/xhtml}"
ALTO = f"{{{NAMESPACE}}}"
TITLE = Block("title", "# Café & bar", (10, 10, 90, 30), (Line("Café & bar", (10, 10, 90, 30)),))
TOTAL = Line("Total 12.50", (10, 40, 90, 60), ((10, 45), (60, 90)), (0.987, 0.5))
LONG = (Line("a long", (10, 70, 80, 90)), Line("line of", (90, 72, 160, 88)))
NEXT = Line("two parts", (10, 100, 80, 120))
PAGE = Page(
    3,
    "# Café & bar\n\nTotal 12.50\n\n![img-0.jpeg](img-0.jpeg)",
    200,
    300,
    100,
    (
        TITLE,
        Block("text", "…", (10, 40, 160, 120), (TOTAL, *LONG, NEXT)),
        Block("image", "![img-0.jpeg](img-0.jpeg)", (20, 130, 180, 250)),
        Block("footer", "7", (90, 280, 100, 290), (Line("7", (90, 280, 100, 290)),)),
    ),
    (Figure("img-0.jpeg", (20, 130, 180, 250), b"jpeg"),),
    (Word("Total", 0.987),),
    0.9,
)
FAILED = Page(4, error=OCRError("page 4: it takes too long", code="page_timeout"))
DOCUMENT = Document((PAGE, FAILED))


def placed(line: Line) -> list[tuple[str, tuple[int, int]]]:
    return [(w.text, (w.box[0], w.box[2])) for w in words_of(line) if w.box]


# --- places


def test_words_stand_where_their_ink_is() -> None:
    assert placed(TOTAL) == [("Total", (10, 45)), ("12.50", (60, 90))]
    assert [word.confidence for word in words_of(TOTAL)] == [0.987, 0.5]


def test_words_share_a_line_whose_ink_is_divided_otherwise() -> None:
    line = Line("ab cdef", (100, 0, 170, 20), ((100, 170),), (0.9,))
    assert placed(line) == [("ab", (100, 120)), ("cdef", (130, 170))]
    assert [word.confidence for word in words_of(line)] == [None, None]
    assert placed(Line(" ", (0, 0, 9, 9), ((0, 9),))) == []


def test_the_widest_gaps_are_between_words() -> None:
    pieces = ((176, 272), (277, 286), (297, 373), (386, 433), (438, 469))
    line = Line("Harbour news, spring", (176, 0, 469, 20), pieces)
    assert placed(line) == [("Harbour", (176, 286)), ("news,", (297, 373)), ("spring", (386, 469))]
    assert placed(Line("Harbournews", line.box, pieces)) == [("Harbournews", (176, 469))]


def test_parts_of_a_row_are_one() -> None:
    block = PAGE.blocks[1]
    assert block.rows == ((TOTAL,), LONG, (NEXT,))
    rows = list(rows_of(block))
    assert [" ".join(word.text for word in row.words) for row in rows] == [
        "Total 12.50",
        "a long line of",
        "two parts",
    ]
    assert rows[1].box == (10, 70, 160, 90)
    assert PAGE.text == "Café & bar\n\nTotal 12.50\na long line of\ntwo parts\n\n7"


def test_text_whose_lines_are_nowhere_stands_in_its_box() -> None:
    whole = Page(1, "# A\n\nb c", 100, 50, blocks=())
    (block,) = blocks_of(whole)
    assert [(row.box, [word.box for word in row.words]) for row in rows_of(block)] == [
        ((0, 0, 100, 50), [None, None]),
        ((0, 0, 100, 50), [None, None]),
    ]
    line = Line("# A\n\nb c", (0, 0, 100, 50))
    (located,) = blocks_of(Page(1, "x", 100, 50, blocks=(Block("text", "x", line.box, (line,)),)))
    assert len(list(rows_of(located))) == 2
    assert blocks_of(FAILED) == ()


BOX = (60, 40, 180, 70)


def original(turned: int, skew: float) -> Image.Image:
    """A page as it was scanned, whose one black box is at `BOX` once it is upright and level."""
    upright = Image.new("L", (300, 400), 255)
    ImageDraw.Draw(upright).rectangle((BOX[0], BOX[1], BOX[2] - 1, BOX[3] - 1), fill=0)
    return upright.rotate(-skew, Image.Resampling.BICUBIC, fillcolor=255).rotate(
        -turned, expand=True
    )


def black(image: Image.Image) -> tuple[int, ...]:
    box = image.point(lambda value: 255 * (value < 128)).getbbox()
    assert box
    return box


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
@pytest.mark.parametrize("skew", [0.0, 4.0, -2.5])
def test_boxes_are_where_the_ink_was_before_the_page_was_turned(turned: int, skew: float) -> None:
    page = Page(1, "x", 300, 400, turned=turned, skew=skew)
    assert displayed_box(BOX, page) == pytest.approx(black(original(turned, skew)), abs=2)


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
@pytest.mark.parametrize("skew", [0.0, -4.0])
def test_text_of_a_pdf_is_where_the_ink_is(tmp_path: Path, turned: int, skew: float) -> None:
    path = tmp_path / "scan.png"
    scan = original(turned, skew)
    scan.save(path, dpi=(72, 72))
    line = Line("Total", BOX)
    block = Block("text", "Total", BOX, (line,))
    page = Page(1, "Total", 300, 400, blocks=(block,), turned=turned, skew=skew)
    (shown,) = pypdfium2.PdfDocument(searchable_pdf(str(path), [page]))
    assert shown.get_size() == scan.size  # so that a point is a pixel
    text = shown.get_textpage()
    boxes = [text.get_charbox(index, loose=True) for index in range(text.count_chars())]
    found = (
        min(box[0] for box in boxes),
        scan.height - max(box[3] for box in boxes),
        max(box[2] for box in boxes),
        scan.height - min(box[1] for box in boxes),
    )
    assert text.get_text_bounded() == "Total"
    assert found == pytest.approx(black(scan), abs=2)
    # It is read in its own direction: the first letter is where the line begins.
    start = {0: (60, 55), 90: (345, 60), 180: (240, 345), 270: (55, 240)}[turned]
    first = boxes[0][0] + boxes[0][2], 2 * scan.height - boxes[0][1] - boxes[0][3]
    assert [side / 2 for side in first] == pytest.approx(start, abs=40)


# --- hOCR


def titles(root: ElementTree.Element, kind: str) -> list[str]:
    return [element.get("title", "") for element in root.iter() if element.get("class") == kind]


def test_hocr() -> None:
    root = ElementTree.fromstring(hocr(DOCUMENT, 'a "scan".pdf'))
    assert root.tag == f"{XHTML}html"
    assert titles(root, "ocr_page") == [
        "image \"a 'scan'.pdf\"; bbox 0 0 200 300; ppageno 2; scan_res 100 100",
        "image \"a 'scan'.pdf\"; bbox 0 0 0 0; ppageno 3",
    ]
    assert titles(root, "ocr_carea") == ["bbox 10 10 90 30", "bbox 10 40 160 120"]
    assert titles(root, "ocr_image") == ["bbox 20 130 180 250"]
    assert titles(root, "ocr_footer") == ["bbox 90 280 100 290"]
    lines = [element for element in root.iter() if element.get("class") == "ocr_line"]
    assert [" ".join("".join(line.itertext()).split()) for line in lines] == [
        "Café & bar",
        "Total 12.50",
        "a long line of",
        "two parts",
        "7",
    ]
    words = titles(root, "ocrx_word")
    assert words[3:5] == ["bbox 10 40 45 60; x_wconf 99", "bbox 60 40 90 60; x_wconf 50"]
    meta = {element.get("name"): element.get("content") for element in root.iter(f"{XHTML}meta")}
    assert meta["ocr-system"]
    used = {element.get("class") for element in root.iter()} - {None}
    assert used <= set((meta["ocr-capabilities"] or "").split())
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(names) == len(set(names))


def one_line(degrees: int, skew: float) -> Document:
    line = Line("Total", BOX)
    blocks = (Block("text", "Total", BOX, (line,)),)
    return Document((Page(1, "Total", 300, 400, blocks=blocks, turned=degrees, skew=skew),))


def test_hocr_of_a_page_that_was_turned() -> None:
    root = ElementTree.fromstring(hocr(one_line(90, 0.0), "a"))
    assert titles(root, "ocr_page") == ['image "a"; bbox 0 0 400 300; ppageno 0']
    # The top of the upright page was at the right of the scan.
    assert titles(root, "ocr_line") == ["bbox 330 60 360 180; textangle 270"]
    assert titles(root, "ocrx_word") == ["bbox 330 60 360 180"]


@pytest.mark.parametrize("skew", [4.0, -4.0])
def test_the_baseline_of_a_page_that_was_askew(skew: float) -> None:
    root = ElementTree.fromstring(hocr(one_line(0, skew), "a"))
    (title,) = titles(root, "ocr_line")
    left, _, right, bottom = map(int, re.findall(r"bbox (\d+) (\d+) (\d+) (\d+)", title)[0])
    slope, offset = map(float, re.findall(r"baseline (\S+) (\S+)", title)[0])
    scan = original(0, skew)

    def lowest(x: int) -> int:
        return max(y for y in range(scan.height) if _pixel(scan, x, y) < 128) + 1

    for x in (left + 8, right - 8):
        assert bottom + offset + slope * (x - left) == pytest.approx(lowest(x), abs=2)


def _pixel(image: Image.Image, x: int, y: int) -> float:
    value = image.getpixel((x, y))
    assert isinstance(value, int | float)
    return value


def test_hocr_of_lines_that_are_nowhere() -> None:
    root = ElementTree.fromstring(hocr(Document((Page(1, "# A\n\nb c", 100, 50),)), "a"))
    assert titles(root, "ocr_line") == ["bbox 0 0 100 50"] * 2
    assert titles(root, "ocrx_word") == []
    assert "b c" in "".join(root.itertext())


# --- ALTO


def test_alto() -> None:
    root = ElementTree.fromstring(alto(DOCUMENT, "scan.pdf"))
    assert (root.tag, root.get("SCHEMAVERSION")) == (f"{ALTO}alto", "4.4")
    assert [child.tag.removeprefix(ALTO) for child in root] == ["Description", "Tags", "Layout"]
    first, second = root.iter(f"{ALTO}Page")
    assert (first.get("WIDTH"), first.get("HEIGHT"), first.get("PC")) == ("200", "300", "0.9")
    assert first.get("PHYSICAL_IMG_NR") == "3"
    assert first.get("ROTATION") is None
    assert [len(space) for space in second] == [0]
    (space,) = first
    blocks = list(space)
    assert [block.tag.removeprefix(ALTO) for block in blocks] == [
        "TextBlock",
        "TextBlock",
        "Illustration",
        "TextBlock",
    ]
    labels = {tag.get("ID"): tag.get("LABEL") for tag in root.iter(f"{ALTO}LayoutTag")}
    assert [labels.get(block.get("TAGREFS")) for block in blocks] == [
        "title",
        "text",
        None,
        "footer",
    ]
    assert edges(blocks[2]) == (20, 130, 160, 120)
    total, _, _ = blocks[1]
    assert [child.tag.removeprefix(ALTO) for child in total] == ["String", "SP", "String"]
    assert [edges(child) for child in total] == [
        (10, 40, 35, 20),
        (45, 40, 15, 20),
        (60, 40, 30, 20),
    ]
    assert (total[0].get("CONTENT"), total[0].get("WC")) == ("Total", "0.987")
    names = [element.get("ID") for element in root.iter() if element.get("ID")]
    assert len(names) == len(set(names))


def edges(element: ElementTree.Element) -> tuple[int, ...]:
    return tuple(int(element.get(name, "-1")) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))


def test_alto_of_a_page_that_was_turned() -> None:
    root = ElementTree.fromstring(alto(one_line(90, 0.5), "a"))
    (page,) = root.iter(f"{ALTO}Page")
    assert (page.get("WIDTH"), page.get("HEIGHT"), page.get("ROTATION")) == ("400", "300", "269.5")
    (word,) = root.iter(f"{ALTO}String")
    assert edges(word) == pytest.approx((330, 60, 30, 120), abs=3)


@pytest.mark.parametrize("write", [hocr, alto])
def test_characters_that_xml_cannot_hold(write: Any) -> None:
    text = 'a\x00b\x1b\ud800\ufffe <&>"'
    line = Line(text, (0, 0, 90, 9))
    page = Page(1, text, 100, 50, blocks=(Block("te\x01xt", text, line.box, (line,)),))
    root = ElementTree.fromstring(write(Document((page,)), "a\x02\udcff"))
    values = [*root.itertext(), *(element.get("CONTENT", "") for element in root.iter())]
    assert "a\ufffdb\ufffd\ufffd\ufffd" in [value.strip() for value in values]


# --- text, Markdown and JSON


def test_text_has_a_form_feed_between_pages() -> None:
    assert plain_text(DOCUMENT).decode() == f"{PAGE.text}\f\n"


def test_markdown_links_to_its_figures() -> None:
    text = markdown(DOCUMENT, "my scan (1).figures").decode()
    assert "![img-0.jpeg](my%20scan%20%281%29.figures/page-3-1.jpeg)" in text
    assert text.endswith("<!-- page 4 could not be read -->\n")
    assert figure_files(DOCUMENT) == {"page-3-1.jpeg": b"jpeg"}


def test_a_figure_cannot_choose_its_file() -> None:
    figure = Figure("../../etc/passwd", (0, 0, 9, 9), b"x")
    document = Document((Page(1, "![a](../../etc/passwd)", 9, 9, figures=(figure,)),))
    assert [*figure_files(document)] == ["page-1-1.jpeg"]
    assert markdown(document, "a.figures") == b"![a](a.figures/page-1-1.jpeg)\n"


def test_figures_that_were_not_asked_for_keep_their_names() -> None:
    page = Page(1, "![i](i)", 9, 9, figures=(Figure("i", (0, 0, 9, 9)),))
    assert markdown(Document((page,)), "f") == b"![i](i)\n"
    assert figure_files(Document((page,))) == {}


def test_json_has_all_that_is_known() -> None:
    fields = json.loads(json_document(DOCUMENT, "scan.pdf"))
    assert fields["file"] == "scan.pdf"
    first, second = fields["pages"]
    assert first | {"blocks": [], "markdown": "", "text": ""} == {
        "page": 3,
        "text": "",
        "markdown": "",
        "confidence": 0.9,
        "warnings": [],
        "width": 200,
        "height": 300,
        "dpi": 100,
        "turned": 0,
        "skew": 0.0,
        "text_layer": False,
        "blocks": [],
        "figures": [{"id": "img-0.jpeg", "box": [20, 130, 180, 250]}],
        "words": [{"text": "Total", "confidence": 0.987}],
        "error": None,
    }
    assert first["blocks"][1]["lines"][0] == {
        "text": "Total 12.50",
        "box": [10, 40, 90, 60],
        "words": [[10, 45], [60, 90]],
        "confidence": [0.987, 0.5],
    }
    assert second["error"] == {"code": "page_timeout", "message": "page 4: it takes too long"}


# --- PDF


def test_a_pdf_has_the_pages_that_were_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pages = [Image.new("L", (300, 400), shade) for shade in (255, 200, 150)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    line = Line("Total", BOX)
    blocks = (Block("text", "Total", BOX, (line,)),)
    read = [Page(3, error=OCRError("no")), Page(1, "Total", 300, 400, blocks=blocks)]
    document = pypdfium2.PdfDocument(searchable_pdf(str(path), read))
    texts = [page.get_textpage().get_text_bounded() for page in document]
    assert texts == ["Total", ""]
    with pytest.raises(PDFError, match="it has no page 4"):
        searchable_pdf(str(path), [Page(4, "x", 300, 400)])


def test_words_of_a_pdf_are_apart(tmp_path: Path) -> None:
    Image.new("L", (200, 300), 255).save(tmp_path / "a.png", dpi=(72, 72))
    shown = pypdfium2.PdfDocument(searchable_pdf(str(tmp_path / "a.png"), [PAGE_ONE]))[0]
    text = shown.get_textpage()
    assert text.get_text_bounded().splitlines() == ["Total 12.50", "a long line of", "two parts"]
    index, count = text.search("12.50").get_next()
    assert text.get_charbox(index, loose=True)[0] == pytest.approx(60, abs=1)
    assert text.get_charbox(index + count - 1, loose=True)[2] == pytest.approx(90, abs=1)


PAGE_ONE = Page(1, "…", 200, 300, blocks=(PAGE.blocks[1],))
