"""Pages of Chinese and Japanese: their text layer, and vertical lines."""

from functools import partial
from io import BytesIO
from typing import Any

import pypdfium2
import pytest
from PIL import Image
from tests.chinese import FONTS, REPORT, STORY, VERTICAL, VERTICAL_FONTS, pdf_of

from qwen_ocr_serve.documents.analysis import analyse, analyse_blocks, lay_out
from qwen_ocr_serve.documents.document import Document
from qwen_ocr_serve.documents.layout import Layout
from qwen_ocr_serve.documents.markdown import paragraph


def layout_of(pdf: bytes) -> Layout:
    document = Document(pdf)
    found = document.text_layer(0, 200)
    document.close()
    assert found is not None
    return lay_out(*found, 200)


def rows_of(layout: Layout) -> list[list[str]]:
    return [[" ".join(p.text or "" for p in row) for row in block.rows] for block in layout.blocks]


def picture_of(pdf: bytes, dpi: int) -> Image.Image:
    image: Any = pypdfium2.PdfDocument(BytesIO(pdf))[0].render(scale=dpi / 72).to_pil()
    page: Image.Image = image.convert("RGB")
    return page


@pytest.mark.parametrize("font", FONTS)
def test_the_text_layer_of_a_report(font: str) -> None:
    layout = layout_of(pdf_of(REPORT, font))
    assert not layout.vertical
    kinds = [block.kind for block in layout.blocks]
    assert kinds == ["title", "text", "text", "text", "table"]
    rows = rows_of(layout)
    assert rows[0] == ["季度运营报告"]
    assert paragraph(rows[1], prose=True).endswith(
        "届时所有成员都必须出席，并提交书面意见。“这是最后的期限”，他补充道。"
    )
    assert paragraph(rows[2], prose=True) == (
        "本服务基于 vLLM 0.32 部署，默认加载 Qwen3-VL 模型，单张 GPU 需要 24 GiB 显存。"
        "上下文长度 context length 为 32768 个 token，流式输出可随时关闭；详细的 deployment "
        "instructions are described in the following document 以及附录（见第 3 页）。"
    )
    assert rows[3] == ["野家𠮷野，𠀋是生僻字；一人大日木是部首。"]
    assert rows[4][1:] == ["咖啡 Espresso 26.44", "合计 60.36"]


def test_the_text_layer_of_vertical_lines_keeps_their_order() -> None:
    layout = layout_of(pdf_of(STORY, style=VERTICAL))
    assert layout.vertical
    (rows,) = rows_of(layout)
    text = "".join(rows)
    assert text.startswith("桃花源记晋太元中，武陵人捕鱼为业。")
    assert text.index("林尽水源") < text.index("土地平旷") < text.index("悉如外人。")


@pytest.mark.parametrize("cut", [analyse, partial(analyse_blocks, family=None)])
@pytest.mark.parametrize("spacing", ["", "; letter-spacing: 0.3em"])
@pytest.mark.parametrize("font", VERTICAL_FONTS)
def test_vertical_lines_are_told_apart_on_pictures(font: str, spacing: str, cut: Any) -> None:
    image = picture_of(pdf_of(STORY, font, VERTICAL + spacing), 120)
    for turned in (0, 180):
        assert cut(image.rotate(turned, expand=True), 120).layout.vertical, turned


@pytest.mark.parametrize("cut", [analyse, partial(analyse_blocks, family=None)])
@pytest.mark.parametrize("style", ["", "line-height: 1.3; letter-spacing: 0.3em"])
@pytest.mark.parametrize("font", FONTS)
def test_level_lines_are_not_taken_for_vertical_ones(font: str, style: str, cut: Any) -> None:
    for body in (REPORT, STORY):
        image = picture_of(pdf_of(body, font, style), 120)
        assert not cut(image, 120).layout.vertical
        assert not cut(image.rotate(90, expand=True), 120).layout.vertical
