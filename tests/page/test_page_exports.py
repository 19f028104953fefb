"""What the page writes is what the Python exporters write, and opens in the programs it is for."""

import base64
import csv
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pikepdf
import pytest
from fontTools.ttLib import TTFont
from PIL import Image
from playwright.sync_api import Page

from qwen_ocr import Document
from qwen_ocr.document_requests import PageReader
from qwen_ocr_serve.launch.local_server import LocalServer
from qwen_ocr_tools.exports import texts
from qwen_ocr_tools.exports.hocr import hocr
from qwen_ocr_tools.exports.xml import software_version

PAGES = Path(__file__).parents[1] / "evaluation" / "pages"
NAME = 'A "name" <&>.png'
CHINESE = "合同第三条"

Answer = dict[str, Any]


def block(content: str, box: tuple[int, int, int, int], kind: str = "text") -> Answer:
    sides = ("top_left_x", "top_left_y", "bottom_right_x", "bottom_right_y")
    corners = dict(zip(sides, box, strict=True))
    return {"type": kind, "content": content, **corners, "qwen_ocr": {"lines": []}}


def page_of(*blocks: Answer, **about: Any) -> Answer:
    """A page as the server answers, for what the bundled model cannot be made to say."""
    facts: Answer = {
        "confidence": None,
        "warnings": [],
        "turned": 0,
        "skew": 0.0,
        "text_layer": False,
    }
    return {
        "index": 0,
        "markdown": "\n\n".join(block["content"] for block in blocks),
        "images": [],
        "tables": [],
        "dimensions": {"dpi": 200, "width": 600, "height": 800},
        "blocks": list(blocks),
        "qwen_ocr": facts | about,
    }


@pytest.fixture(scope="module")
def read(server: LocalServer) -> dict[str, Answer]:
    """Answers of the real server, about a level page, a turned one and a skewed one."""
    answers = {}
    for kind in ("clean", "turned", "skewed"):
        data = base64.b64encode((PAGES / f"invoice-{kind}.png").read_bytes()).decode()
        request = {
            "document": {"type": "image_url", "image_url": f"data:image/png;base64,{data}"},
            "include_blocks": True,
            "include_image_base64": True,
            "confidence_scores_granularity": "word",
        }
        response = httpx2.post(f"{server.base_url}/v1/ocr", json=request, timeout=300)
        answers[kind] = response.json()["pages"][0]
    assert answers["turned"]["qwen_ocr"]["turned"]
    assert answers["skewed"]["qwen_ocr"]["skew"]
    return answers


def export(page: Page, module: str, function: str, *args: Any) -> Any:
    return page.evaluate(
        """async ([module, name, args]) => (await import(`/page/${module}.js`))[name](...args)""",
        [module, function, args],
    )


def in_python(*answers: Answer) -> Document:
    pages = [PageReader().feed(answer) for answer in answers]
    return Document(tuple(filter(None, pages)))


def searchable(page: Page, answer: Answer, picture: bytes) -> bytes:
    encoded = page.evaluate(
        """async ([answer, picture]) => {
            const { searchablePdf } = await import("/page/export-pdf.js");
            const bytes = Uint8Array.from(atob(picture), (byte) => byte.charCodeAt(0));
            const blob = new Blob([bytes], { type: "image/png" });
            const pdf = await searchablePdf([{ answer, picture: async () => blob }]);
            const made = new Uint8Array(await pdf.arrayBuffer());
            return btoa(Array.from(made, (byte) => String.fromCharCode(byte)).join(""));
        }""",
        [answer, base64.b64encode(picture).decode()],
    )
    return base64.b64decode(encoded)


@pytest.mark.parametrize("kind", ["clean", "turned", "skewed"])
def test_hocr_is_the_same_to_the_byte(page: Page, read: dict[str, Answer], kind: str) -> None:
    answer = read[kind]
    written = export(page, "export-hocr", "hocr", [answer], NAME, software_version())
    assert written.encode() == hocr(in_python(answer), NAME)
    assert written.count('class="ocrx_word"') > 20


def test_hocr_of_text_whose_lines_are_not_known(page: Page) -> None:
    answer = page_of(block("One & two\n\u0007three", (5, 6, 500, 700)))
    written = export(page, "export-hocr", "hocr", [answer], NAME, software_version())
    assert written.encode() == hocr(in_python(answer), NAME)


@pytest.mark.parametrize("kind", ["clean", "turned", "skewed"])
def test_texts_are_the_same(page: Page, read: dict[str, Answer], kind: str) -> None:
    answers = [read["clean"], {**read[kind], "index": 1}]
    document = in_python(*answers)
    assert export(page, "export-texts", "plainText", answers).encode() == texts.plain_text(document)
    assert export(page, "export-texts", "markdown", answers).encode() == texts.markdown(
        document, ""
    )
    written = json.loads(export(page, "export-texts", "json", answers, NAME))
    assert written == json.loads(texts.json_document(document, NAME))


@pytest.mark.parametrize("kind", ["clean", "turned", "skewed"])
def test_a_pdf_has_its_text_where_it_stands(
    page: Page, read: dict[str, Answer], kind: str, tmp_path: Path
) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed: apt-get install poppler-utils")
    answer = read[kind]
    picture = (PAGES / f"invoice-{kind}.png").read_bytes()
    path = tmp_path / "made.pdf"
    path.write_bytes(searchable(page, answer, picture))
    with pikepdf.open(path) as pdf:
        assert not pdf.check_pdf_syntax()
        _, _, width, height = map(float, pdf.pages[0].mediabox)
        across, down = Image.open(io.BytesIO(picture)).size
        dpi = answer["dimensions"]["dpi"]
        if dpi > 72:
            assert (width, height) == pytest.approx((across * 72 / dpi, down * 72 / dpi), abs=0.01)
    words = subprocess.run(
        ["pdftotext", "-raw", path, "-"], check=True, capture_output=True, text=True
    ).stdout.split()
    expected = in_python(answer).text.split()
    assert sorted(words) == sorted(expected)

    # Where a word is found is where its ink is, on the page as people see it.
    found = subprocess.run(
        ["pdftotext", "-bbox", path, "-"], check=True, capture_output=True, text=True
    ).stdout
    assert found.count("<word ") >= len(expected) * 0.9


def test_chinese_text_is_found_in_a_pdf(page: Page, tmp_path: Path) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed: apt-get install poppler-utils")
    buffer = io.BytesIO()
    Image.new("RGB", (600, 800), "white").save(buffer, "PNG")
    answer = page_of(block(f"{CHINESE} 𠀀 é", (50, 60, 500, 100)))
    path = tmp_path / "chinese.pdf"
    path.write_bytes(searchable(page, answer, buffer.getvalue()))
    found = subprocess.run(["pdftotext", path, "-"], check=True, capture_output=True).stdout
    assert found.decode().split() == [CHINESE, "𠀀", "é"]
    with pikepdf.open(path) as pdf:
        fonts = [
            thing
            for thing in pdf.objects
            if isinstance(thing, pikepdf.Dictionary) and thing.get("/Type") == "/FontDescriptor"
        ]
        font = TTFont(io.BytesIO(fonts[0].FontFile2.read_bytes()))
        assert font.getGlyphOrder() == [".notdef"]


TABLE = """<table><tr><th colspan="2">Item</th><th>Price</th></tr>
<tr><td rowspan="2">Pen, "blue"</td><td>1</td><td>-2.50</td></tr>
<tr><td>=2+3</td><td>笔</td></tr></table>"""
ROWS = [["Item", "", "Price"], ['Pen, "blue"', "1", "-2.50"], ["", "'=2+3", "笔"]]


def test_tables_are_cells(page: Page) -> None:
    answer = page_of(
        block("Text", (0, 0, 9, 9)),
        block(TABLE, (0, 0, 9, 9), "table"),
        block("| a | b |\n|---|---|\n| 1 | 2 |", (0, 0, 9, 9), "table"),
    )
    assert export(page, "export-tables", "hasTable", answer)
    written = export(page, "export-tables", "csv", [answer])
    rows = list(csv.reader(io.StringIO(written.removeprefix("\ufeff"), newline="")))
    assert rows == [*ROWS, [], ["a", "b"], ["1", "2"]]
    copied = export(page, "export-tables", "cells", [answer])
    assert copied["text"].split("\n") == ["\t".join(row) for row in [*ROWS, [], "ab", "12"]]
    assert copied["html"].count("<td>") == 13
    assert not export(page, "export-tables", "hasTable", page_of(block("a | b", (0, 0, 9, 9))))


def test_html_needs_no_other_file_and_runs_nothing(page: Page) -> None:
    nasty = '<script>alert(1)</script><img src=x onerror="alert(1)">\n\n**bold** $x^2$'
    answer = page_of(block(f"# Title\n\n{nasty}\n\n![fig](fig.jpeg)\n\n{TABLE}", (0, 0, 9, 9)))
    picture = "data:image/jpeg;base64,AAAA"
    answer["images"] = [{"id": "fig.jpeg", "image_base64": picture}]
    written = export(page, "export-html", "html", [answer], "<name> & more")
    assert "<title>&lt;name&gt; &amp; more</title>" in written
    assert "default-src 'none'" in written
    assert f'src="{picture}"' in written
    for part in ("<h1>Title</h1>", "<strong>bold</strong>", "<math", 'colspan="2"'):
        assert part in written
    assert not any(part in written for part in ("<script", "onerror", "http:", "https:", "src=x"))
