"""Chinese through the real server: the text of PDFs, and pictures that the bundled model reads."""

import io
from pathlib import Path
from typing import Any

import httpx2
import pypdfium2
import pytest
from tests.chinese import FONTS, REPORT, STORY, VERTICAL, found_by_pdftotext, pdf_of

from qwen_ocr import OCRClient
from qwen_ocr_tools.evaluation.metrics import character_errors
from qwen_ocr_tools.exports.searchable import searchable_pdf

MIXED = (
    "单张 GPU 需要 24 GiB 显存。上下文长度 context length 为 32768 个 token，流式输出可随时关闭；"
)

EVERYDAY = REPORT[: REPORT.index("<p>野家")] + REPORT[REPORT.index("<table>") :]
"""The report without its rare characters, which the bundled model does not know."""


def png_of(pdf: bytes) -> bytes:
    image: Any = pypdfium2.PdfDocument(io.BytesIO(pdf))[0].render(scale=150 / 72).to_pil()
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def read(http: httpx2.Client, data: bytes, **fields: str) -> dict[str, Any]:
    answer = http.post("/v1/ocr", files={"file": data}, data=fields)
    assert answer.status_code == 200, answer.text
    (page,) = answer.json()["pages"]
    return dict(page)


def test_the_text_of_a_chinese_pdf(http: httpx2.Client) -> None:
    page = read(http, pdf_of(REPORT), text_layer="prefer")
    title, first, second, rare, table = page["markdown"].split("\n\n")
    assert title == "# 季度运营报告"
    assert "下一次会议将在十月举行，届时所有成员都必须出席，并提交书面意见。" in first
    assert MIXED in second
    assert rare == "野家𠮷野，𠀋是生僻字；一人大日木是部首。"
    assert table.splitlines()[2:] == ["| 咖啡 Espresso | 26.44 |", "| 合计 | 60.36 |"]
    assert (page["qwen_ocr"]["warnings"], page["qwen_ocr"]["text_layer"]) == ([], True)


def test_chinese_words_are_found_in_a_searchable_pdf(base_url: str, tmp_path: Path) -> None:
    pdf = pdf_of(REPORT)
    source = tmp_path / "report.pdf"
    source.write_bytes(pdf)
    with OCRClient(base_url) as client:
        document = client.read_document(source, blocks=True, text_layer="prefer")
    # On the picture of the page, so that nothing but our text can be found.
    made = searchable_pdf("report.png", document.pages, png_of(pdf))
    found = found_by_pdftotext(made)
    for words in (
        "季度运营报告",
        "三份文件尚未送达",
        "默认加载",
        "24 GiB 显存",
        "野家𠮷野",
        "Espresso",
    ):
        assert words in found, found


def test_vertical_lines_are_told_apart(http: httpx2.Client) -> None:
    pdf = pdf_of(STORY, style=VERTICAL)
    page = read(http, png_of(pdf))
    assert "vertical_text" in page["qwen_ocr"]["warnings"]
    page = read(http, pdf, text_layer="prefer")
    assert page["qwen_ocr"]["warnings"] == ["vertical_text"]
    text = page["markdown"].replace("  \n", "")
    assert text.startswith("桃花源记晋太元中，武陵人捕鱼为业。")


@pytest.mark.parametrize("font", FONTS)
def test_a_picture_of_chinese_is_read(http: httpx2.Client, font: str) -> None:
    pdf = pdf_of(EVERYDAY, font)
    truth = read(http, pdf, text_layer="prefer")["markdown"]
    page = read(http, png_of(pdf))
    assert page["markdown"].startswith("# 季度运营报告")
    assert character_errors(truth, page["markdown"]).value < 0.05, page["markdown"]
    assert page["qwen_ocr"]["warnings"] == []
