"""Chinese in the files of a document."""

import io
from xml.etree import ElementTree

import pytest
from PIL import Image
from tests.chinese import found_by_pdftotext

from qwen_ocr.documents import Block, Document, Line, Page
from qwen_ocr_tools.exports.hocr import hocr
from qwen_ocr_tools.exports.searchable import searchable_pdf

SENTENCE = "委员会推迟了表决，因为三份文件尚未送达。"
MIXED = "本服务基于 vLLM 0.32 部署，𠮷野家"


def page(*rows: tuple[Line, ...]) -> Page:
    lines = tuple(line for row in rows for line in row)
    return Page(
        1, SENTENCE, width=1000, height=600, blocks=(Block("text", "", (0, 0, 1000, 600), lines),)
    )


def text_of(read: Page) -> str:
    image = Image.new("RGB", (1000, 600), "white")
    file = io.BytesIO()
    image.save(file, "PNG")
    return found_by_pdftotext(searchable_pdf("page.png", [read], file.getvalue()))


def test_words_are_found_in_lines() -> None:
    found = text_of(
        page(
            (Line(SENTENCE, (50, 50, 850, 90)),),
            (Line(MIXED, (50, 120, 700, 160), ((50, 200), (215, 290), (300, 380), (390, 700))),),
        )
    )
    assert found.split("\n")[:2] == [SENTENCE, MIXED]


def test_words_are_found_across_the_parts_of_a_line() -> None:
    parts = (Line("委员会推迟了表", (50, 50, 330, 90)), Line("决，因为三份", (332, 50, 572, 90)))
    found = text_of(
        page(parts, (Line("姓名", (50, 120, 130, 160)), Line("张三", (400, 120, 480, 160))))
    )
    assert "推迟了表决，因为" in found
    assert found.split()[-2:] == ["姓名", "张三"]


def test_words_are_found_where_only_the_page_is_known() -> None:
    text = f"{SENTENCE}\n{MIXED}"
    whole = Page(1, text, width=1000, height=600)
    found = text_of(whole)
    assert SENTENCE in found
    assert MIXED in found


def test_a_line_has_the_mean_confidence_of_its_characters() -> None:
    line = Line("合计 六十", (0, 0, 100, 20), confidence=(0.9, 0.7, 0.5, 0.3))
    root = ElementTree.fromstring(hocr(Document((page((line,)),)), "page.png"))
    found = [
        (element.text, element.get("title", "").rpartition(" ")[2])
        for element in root.iter()
        if element.get("class") == "ocrx_word"
    ]
    assert found == [("合计", "80"), ("六十", "40")]


@pytest.mark.parametrize("known", [(), (0.9, 0.7)])
def test_a_line_with_other_words_has_no_confidence(known: tuple[float, ...]) -> None:
    line = Line("合计 六十", (0, 0, 100, 20), confidence=known)
    assert b"x_wconf" not in hocr(Document((page((line,)),)), "page.png")
