"""`POST /v1/ocr` and `/v1/files`: what stands on a page, documents sent before, and bad ones."""

import base64
import io
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pikepdf
import psutil
import pytest
from mistralai.client import Mistral
from PIL import Image

from qwen_ocr import BadRequestError, OCRClient
from qwen_ocr_serve.launch.local_server import LocalServer

SAMPLES = Path(__file__).parents[1] / "samples"
RECEIPT = SAMPLES / "receipt.pdf"
HEADERS = {"Accept": "text/markdown"}
TABLE = """| Work | Amount | Price |
| --- | --- | --- |
| Oak posts | 48 | 9,120 |
| Planks | 310 | 6,510 |
| Steel bolts | 1,200 | 840 |
| Labour | 77 days | 23,870 |"""


def ask(http: httpx2.Client, data: bytes, **fields: str) -> httpx2.Response:
    return http.post("/v1/ocr", files={"file": data}, data=fields)


def only_page(http: httpx2.Client, data: bytes, **fields: str) -> dict[str, Any]:
    answer = ask(http, data, **fields)
    assert answer.status_code == 200, answer.text
    (page,) = answer.json()["pages"]
    return dict(page)


def test_a_page_is_markdown_with_all_that_stands_on_it(http: httpx2.Client, article: Path) -> None:
    page = only_page(http, article.read_bytes(), include_blocks="true")
    parts = page["markdown"].split("\n\n")
    assert parts[:2] == ["Harbour news, spring", "# The new pier"]
    assert parts[2].startswith("The old pier was closed in autumn because")
    assert parts[3:5] == ["![img-0.jpeg](img-0.jpeg)", "## What it cost"]
    assert parts[5] == TABLE
    assert parts[6:] == [
        "- The railing is painted in May.\n- The lamps follow in June.",
        "Page 7",
    ]
    assert [block["type"] for block in page["blocks"]] == [
        *("header", "title", "text", "image", "title", "table", "text", "footer")
    ]
    lines = page["blocks"][1]["qwen_ocr"]["lines"]
    assert lines[0]["text"] == "The new pier"
    assert len(lines[0]["words"]) == len(lines[0]["confidence"]) == 3
    assert page["dimensions"] == {"dpi": 200, "width": 1653, "height": 2339}


def test_what_is_wanted_apart(http: httpx2.Client, article: Path) -> None:
    page = only_page(
        http,
        article.read_bytes(),
        table_format="html",
        extract_header="true",
        extract_footer="true",
        include_image_base64="true",
    )
    assert (page["header"], page["footer"]) == ("Harbour news, spring", "Page 7")
    assert page["markdown"].startswith("# The new pier")
    assert "[tbl-0.html](tbl-0.html)" in page["markdown"]
    (table,) = page["tables"]
    assert (table["id"], table["format"]) == ("tbl-0.html", "html")
    assert "<tr><td>Oak posts</td><td>48</td><td>9,120</td></tr>" in table["content"]
    (image,) = page["images"]
    data = base64.b64decode(image["image_base64"].partition(",")[2])
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "JPEG"
        assert picture.width == image["bottom_right_x"] - image["top_left_x"]
        middle, corner = picture.convert("L").getpixel((350, 210)), picture.getpixel((20, 20))
    assert isinstance(middle, int)
    assert middle < 60
    assert isinstance(corner, tuple)
    assert min(corner) > 150


def test_pictures_that_are_not_wanted(http: httpx2.Client, article: Path) -> None:
    for fields in ({"image_limit": "0"}, {"image_min_size": "2000"}):
        page = only_page(http, article.read_bytes(), include_blocks="true", **fields)
        assert page["images"] == []
        assert "![" not in page["markdown"]
        assert "image" not in {block["type"] for block in page["blocks"]}


def test_the_text_of_the_pdf_itself(http: httpx2.Client, article: Path) -> None:
    data = article.read_bytes()
    page = only_page(http, data, text_layer="prefer", include_blocks="true")
    assert page["qwen_ocr"]["text_layer"] is True
    assert page["qwen_ocr"]["confidence"] is None
    assert TABLE in page["markdown"]
    assert "![img-0.jpeg](img-0.jpeg)" in page["markdown"]
    read = only_page(http, data, include_blocks="true")
    assert read["qwen_ocr"]["text_layer"] is False
    for own, seen in zip(page["blocks"], read["blocks"], strict=True):
        assert own["type"] == seen["type"]
        assert own["top_left_y"] == pytest.approx(seen["top_left_y"], abs=12)
    # A scan has none, whatever it asks for.
    assert only_page(http, RECEIPT.read_bytes(), text_layer="prefer")["qwen_ocr"]["confidence"]


def test_an_encrypted_pdf(http: httpx2.Client, article: Path, base_url: str) -> None:
    buffer = io.BytesIO()
    with pikepdf.open(article) as pdf:
        pdf.save(buffer, encryption=pikepdf.Encryption(owner="owner", user="open sesame"))
    data = buffer.getvalue()
    assert "The new pier" in only_page(http, data, password="open sesame")["markdown"]
    for fields in ({}, {"password": "wrong"}):
        answer = ask(http, data, **fields)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "wrong_password"
    with OCRClient(base_url) as client, pytest.raises(BadRequestError) as caught:
        client.read_document(data)
    assert caught.value.code == "wrong_password"


def test_the_python_client_reads_pages_as_they_come(base_url: str, article: Path) -> None:
    with OCRClient(base_url) as client:
        (page,) = client.stream_document(article, blocks=True, figures=True, confidence=True)
        assert client.read_document(article, pages="1-").markdown == page.markdown
    assert page.number == 1
    assert TABLE in page.markdown
    assert page.figures[0].data is not None
    assert page.blocks[0].kind == "header"
    assert len(page.words) > 40
    assert [line.text for line in page.blocks[5].lines[:3]] == ["Work", "Amount", "Price"]


def _events(answer: httpx2.Response) -> list[dict[str, Any]]:
    *events, end = [
        line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data")
    ]
    assert end == "[DONE]"
    return [json.loads(event) for event in events]


def test_text_as_it_is_read(http: httpx2.Client) -> None:
    data = (SAMPLES.parent / "evaluation" / "pages" / "letter-clean.png").read_bytes()
    events = _events(ask(http, data, stream="true", stream_text="true", include_blocks="true"))
    *texts, page, about = events
    assert len(texts) > 10
    assert {event["index"] for event in texts} == {0}
    lines = [line["text"] for block in page["blocks"] for line in block["qwen_ocr"]["lines"]]
    assert "".join(event["delta"] for event in texts).split() == " ".join(lines).split()
    assert about["usage_info"]["pages_processed"] == 1
    again, *rest = _events(ask(http, data, stream="true"))
    assert rest == [about]
    # Computed beside other pieces, a piece has a confidence that differs in its last digits.
    sure = [event["qwen_ocr"].pop("confidence") for event in (page, again)]
    assert sure[0] == pytest.approx(sure[1], abs=1e-4)
    assert again == {key: value for key, value in page.items() if key != "blocks"}


# --- files that are sent once and named later


def test_mistrals_sdk_sends_a_file_and_reads_it(base_url: str, article: Path) -> None:
    with Mistral(server_url=base_url, api_key="none") as client:
        file: Any = {"file_name": "article.pdf", "content": article.read_bytes()}
        sent = client.files.upload(file=file, purpose="ocr")
        assert sent.filename == "article.pdf"
        assert sent.id in [each.id for each in client.files.list().data]
        assert client.files.retrieve(file_id=sent.id).size_bytes == article.stat().st_size
        signed = client.files.get_signed_url(file_id=sent.id, expiry=1).url
        by_url: Any = {"type": "document_url", "document_url": signed}
        by_id: Any = {"type": "file", "file_id": sent.id}
        for document in (by_url, by_id):
            answer = client.ocr.process(model="mistral-ocr-latest", document=document)
            assert "# The new pier" in answer.pages[0].markdown
        assert client.files.delete(file_id=sent.id).deleted
    with httpx2.Client() as anybody:
        assert anybody.get(signed).json()["error"]["code"] == "file_not_found"


def test_a_signed_url_gives_the_file_and_no_other_does(http: httpx2.Client) -> None:
    data = RECEIPT.read_bytes()
    sent = http.post("/v1/files", files={"file": data}).json()
    assert (sent["purpose"], sent["bytes"]) == ("ocr", len(data))
    assert 3500 < sent["expires_at"] - time.time() <= 3600
    path = f"/v1/files/{sent['id']}"
    url = http.get(f"{path}/url", params={"expiry": 24}).json()["url"]
    assert http.get(url).content == data
    assert http.get(f"{path}/content").json()["error"]["code"] == "not_signed"
    for wrong in (
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        re.sub(r"expires=\d", "expires=9", url),
    ):
        assert http.get(wrong).json()["error"]["code"] == "file_not_found"
        body = {"document": {"type": "document_url", "document_url": wrong}}
        assert http.post("/v1/ocr", json=body).json()["error"]["code"] == "file_not_found"
    http.delete(path)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/files/file-0", 404, "file_not_found"),
        ("DELETE", "/v1/files/..%2f..%2fetc", 404, "not_found"),
        ("GET", "/v1/files/a/b", 404, "not_found"),
        ("PUT", "/v1/files", 405, "method_not_allowed"),
        ("POST", "/v1/files", 400, "invalid_request"),
    ],
)
def test_files_that_are_not_there(
    http: httpx2.Client, method: str, path: str, status: int, code: str
) -> None:
    answer = http.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


# --- what cannot be read


def pdf_of(pages: int, size: str = "0 0 200 100", content: str = "", objects: str = "") -> bytes:
    """A PDF without a cross-reference table, whose pages are all the same object."""
    kids = "3 0 R " * pages
    return (
        "%PDF-1.7\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n"
        f"2 0 obj <</Type/Pages/Count {pages}/Kids[{kids}]>> endobj\n"
        f"3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[{size}]/Contents 4 0 R"
        "/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>>> endobj\n"
        f"4 0 obj <</Length {len(content)}>> stream\n{content}\nendstream endobj\n"
        "5 0 obj <</Type/Font/Subtype/Type1/BaseFont/NoSuchFontAnywhere>> endobj\n"
        f"{objects}trailer <</Root 1 0 R>>\n%%EOF"
    ).encode()


HELLO = "BT /F 24 Tf 20 40 Td (Hello world) Tj ET"
BAD = {
    "nothing": (b" ", "invalid_document"),
    "text": (b"Dear Sir or Madam", "invalid_document"),
    "no pages": (pdf_of(0), "invalid_document"),
    "cut off": (b"%PDF-1.7\n1 0 obj <</Type/Cat", "invalid_document"),
    "zeros": (b"%PDF-1.7\n" + bytes(5000), "invalid_document"),
    "nested": (b"%PDF-1.7\n" + b"[" * 2_000_000, "invalid_document"),
    "half a PNG": ((SAMPLES / "form.png").read_bytes()[:3000], ""),
    "a web page named PDF": (b"<html><script>alert(1)</script></html>", "invalid_document"),
    "100,000 pages": (pdf_of(100_000), "too_many_pages"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_document_gets_a_code_and_leaves_nothing(
    http: httpx2.Client, server: LocalServer, name: str
) -> None:
    data, code = BAD[name]
    before = _open_documents(server)
    answer = ask(http, data)
    if code:
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["code"] == code
    else:
        (page,) = answer.json()["pages"]
        assert page["qwen_ocr"]["error"]["code"] == "invalid_page"
    assert _open_documents(server) == before
    assert http.get("/health").status_code == 200


def _open_documents(server: LocalServer) -> int:
    """How many nameless files the server's processes have open."""
    processes = [psutil.Process(server.process.pid)]
    processes += processes[0].children(recursive=True)
    count = 0
    for process in processes:
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                count += "(deleted)" in os.readlink(link) and "/tmp" in os.readlink(link)  # noqa: PTH115
            except OSError:
                continue
    return count


def test_pages_of_odd_sizes_and_without_fonts(http: httpx2.Client) -> None:
    assert "Hello" in only_page(http, pdf_of(1, content=HELLO))["markdown"]
    metres = only_page(http, pdf_of(1, "0 0 28346 28346", HELLO))  # ten by ten
    assert metres["dimensions"]["width"] * metres["dimensions"]["height"] < 23_000_000
    dot = only_page(http, pdf_of(1, "0 0 1 1"))
    assert dot["qwen_ocr"]["warnings"] == ["no_text"]


def test_a_script_in_a_pdf_does_nothing(http: httpx2.Client) -> None:
    action = b"/OpenAction<</S/JavaScript/JS(app.alert(1))>>"
    data = pdf_of(1, content=HELLO).replace(b"/Type/Catalog", b"/Type/Catalog" + action)
    assert "Hello" in only_page(http, data)["markdown"]


def test_a_page_that_fails_loses_no_other(http: httpx2.Client) -> None:
    pages = [Image.open(SAMPLES / "line.png").convert("L"), Image.effect_noise((600, 600), 90)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:], compression="raw")
    answer = ask(http, buffer.getvalue()[:-100_000])
    first, second = answer.json()["pages"]
    assert first["markdown"]
    assert second["qwen_ocr"]["error"]["code"] == "invalid_page"
    assert (second["index"], second["markdown"]) == (1, "")


def test_a_long_document_keeps_nobody_waiting(http: httpx2.Client, base_url: str) -> None:
    png = base64.b64encode((SAMPLES / "line.png").read_bytes()).decode()
    body = {"image": png, "text": "Read all the text."}

    def read_line(_: int) -> float:
        started = time.monotonic()
        with httpx2.Client(base_url=base_url, timeout=120) as client:
            assert client.post("/api/v1/ocr", json=body).json()["success"]
        return time.monotonic() - started

    data = pdf_of(200, "0 0 420 600", HELLO)
    indices = []
    with (
        ThreadPoolExecutor(8) as pool,
        http.stream(
            "POST", "/v1/ocr", files={"file": data}, data={"stream": "true"}, timeout=300
        ) as answer,
    ):
        others = None
        for line in answer.iter_lines():
            if line.startswith('data: {"index"'):
                indices.append(json.loads(line.removeprefix("data: "))["index"])
                others = others or [pool.submit(read_line, number) for number in range(32)]
                if all(each.done() for each in others) and len(indices) < 150:
                    break  # all 32 were answered while the document was being read
    assert others is not None
    assert max(each.result() for each in others) < 60
    assert indices == list(range(len(indices)))
