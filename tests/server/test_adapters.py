"""Interfaces of other services, with the very requests that their clients send."""

import base64
import io
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from PIL import Image

from qwen_ocr import OCRClient

SAMPLES = Path(__file__).parents[1] / "samples"
RECEIPT = SAMPLES / "receipt.pdf"
TABLE = "| Oak posts | 48 | 9,120 |"


# --- Open WebUI: ExternalDocumentLoader.load of retrieval/loaders/external_document.py


def process(http: httpx2.Client, data: bytes, name: str) -> httpx2.Response:
    headers = {
        "Content-Type": "application/pdf",
        "Authorization": "Bearer none",
        "X-Filename": quote(name),
    }
    return http.put("/process", content=data, headers=headers)


def test_open_webui_loads_a_document(http: httpx2.Client, article: Path, base_url: str) -> None:
    answer = process(http, article.read_bytes(), "Häfen 2026.pdf")
    assert answer.status_code == 200, answer.text
    (page,) = answer.json()
    assert TABLE in page["page_content"]
    assert "![" not in page["page_content"]  # there is no file that such a link could lead to
    with OCRClient(base_url) as client:
        read = client.read_document(article).markdown
    assert page["page_content"] == read.replace("![img-0.jpeg](img-0.jpeg)\n\n", "")
    assert page["metadata"].pop("confidence") > 0.8
    assert page["metadata"] == {
        "source": "Häfen 2026.pdf",
        "total_pages": 1,
        "page": 0,
        "page_label": "1",
    }


def test_open_webui_gets_a_document_for_each_page(http: httpx2.Client) -> None:
    lines = Image.open(SAMPLES / "line.png").convert("RGB")
    empty = Image.new("RGB", lines.size, "white")
    buffer = io.BytesIO()
    lines.save(buffer, "TIFF", save_all=True, append_images=[empty, lines])
    first, second = process(http, buffer.getvalue(), "scan.tif").json()
    assert first["page_content"] == second["page_content"]
    assert [page["metadata"]["page_label"] for page in (first, second)] == ["1", "3"]


def test_open_webui_is_told_what_is_wrong(http: httpx2.Client) -> None:
    # It shows `detail`, and falls back to its own loader.
    for data, code in ((b"", "invalid_request"), (b"no document", "invalid_document")):
        answer = process(http, data, "x.pdf")
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert answer.json()["detail"]
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    buffer = io.BytesIO()
    Image.new("RGB", (400, 300), "white").save(buffer, "PNG")
    answer = process(http, buffer.getvalue(), "white.png")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("No extractable text")


# --- LibreChat: uploadMistralOCR of packages/api/src/files/mistral/crud.ts


def test_librechat_uploads_and_reads(http: httpx2.Client) -> None:
    headers = {"Authorization": "Bearer none"}
    files = {"file": ("receipt.pdf", RECEIPT.read_bytes(), "application/pdf")}
    sent = http.post("/v1/files", data={"purpose": "ocr"}, files=files, headers=headers).json()
    signed = http.get(f"/v1/files/{sent['id']}/url?expiry=24", headers=headers).json()
    body = {
        "model": "mistral-ocr-latest",
        "image_limit": 0,
        "include_image_base64": False,
        "document": {"type": "document_url", "document_url": signed["url"]},
    }
    answer = http.post("/v1/ocr", json=body, headers=headers)
    assert "Espresso" in answer.json()["pages"][0]["markdown"]
    assert http.delete(f"/v1/files/{sent['id']}", headers=headers).status_code == 200
    assert http.post("/v1/ocr", json=body, headers=headers).status_code == 404


# --- Open WebUI: MistralLoader of retrieval/loaders/mistral.py, with use_base64


def test_open_webui_reads_as_with_mistral(http: httpx2.Client) -> None:
    encoded = base64.b64encode(RECEIPT.read_bytes()).decode()
    url = f"data:application/pdf;base64,{encoded}"
    body = {
        "model": "mistral-ocr-latest",
        "document": {"type": "document_url", "document_url": url},
        "include_image_base64": False,
    }
    answer = http.post("/v1/ocr", json=body, headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/json"
    (page,) = answer.json()["pages"]
    assert page["index"] == 0
    assert "Espresso" in page["markdown"]


# --- Open WebUI: DoclingLoader.load of retrieval/loaders/main.py


def convert(http: httpx2.Client, data: bytes, **options: Any) -> httpx2.Response:
    files = {"files": ("/data/uploads/article.pdf", data, "application/pdf")}
    headers = {"X-Api-Key": "none"}
    return http.post("/v1/convert/file", files=files, data=options, headers=headers)


def test_open_webui_reads_as_with_docling(http: httpx2.Client, article: Path) -> None:
    answer = convert(http, article.read_bytes(), image_export_mode="placeholder", ocr_lang="en,de")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["status"], body["errors"]) == ("success", [])
    text = body["document"]["md_content"]
    assert TABLE in text
    assert "<!-- image -->" in text
    assert body["document"]["text_content"] is None


def test_docling_in_all_formats(http: httpx2.Client, article: Path) -> None:
    answer = convert(
        http,
        article.read_bytes(),
        to_formats=["md", "text", "json"],
        image_export_mode="embedded",
        do_ocr="false",
    )
    document = answer.json()["document"]
    assert "![Image](data:image/jpeg;base64," in document["md_content"]
    assert document["text_content"].startswith("Harbour news, spring\n\nThe new pier\n\nThe old")
    found = document["json_content"]
    title = found["texts"][1]
    assert (title["label"], title["level"], title["text"]) == ("section_header", 1, "The new pier")
    assert found["texts"][0]["content_layer"] == "furniture"
    size = found["pages"]["1"]["size"]
    assert (round(size["width"]), round(size["height"])) == (595, 842)
    box = title["prov"][0]["bbox"]
    assert 0 < box["l"] < box["r"] < 595
    assert 600 < box["b"] < box["t"] < 842
    (table,) = found["tables"]
    assert [cell["text"] for cell in table["data"]["grid"][1]] == ["Oak posts", "48", "9,120"]
    kinds = [child["$ref"].split("/")[1] for child in found["body"]["children"]]
    assert kinds == ["texts", "texts", "texts", "pictures", "texts", "tables", "texts", "texts"]


def test_docling_takes_sources_and_pages(http: httpx2.Client) -> None:
    source = {
        "kind": "file",
        "base64_string": base64.b64encode(RECEIPT.read_bytes()).decode(),
        "filename": "receipt.pdf",
    }
    options = {"page_range": [1, 9], "to_formats": ["text"], "table_mode": "fast"}
    body = {"sources": [source], "options": options, "target": {"kind": "inbody"}}
    document = http.post("/v1/convert/source", json=body).json()["document"]
    assert document["filename"] == "receipt.pdf"
    assert "Espresso" in document["text_content"]
    assert document["md_content"] is None


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"to_formats": "doctags"}, "to_formats"),
        ({"target_type": "zip"}, "target_type"),
        ({"page_range": ["3", "9"]}, "page"),
        ({"page_range": "a"}, "page_range"),
        ({"page_range": ["0", "1"]}, "page_range"),
        ({"page_range": ["-121645100408832000", "1"]}, "page_range"),
        ({"page_range": ["2", "1"]}, "page_range"),
    ],
)
def test_docling_says_what_it_cannot_do(
    http: httpx2.Client, options: dict[str, Any], part: str
) -> None:
    answer = convert(http, RECEIPT.read_bytes(), **options)
    assert answer.status_code in (400, 422)
    assert part in answer.json()["detail"]


def test_docling_sources_that_are_refused(http: httpx2.Client) -> None:
    url = {"kind": "http", "url": "https://example.com/a.pdf"}
    for sources, code in (
        ([url], "media_url_not_allowed"),
        ([url, url], "invalid_request"),
        ([{"kind": "s3"}], "invalid_request"),
        ([{"kind": "file"}], "invalid_request"),
    ):
        answer = http.post("/v1/convert/source", json={"sources": sources})
        assert answer.json()["code"] == code, answer.text
    assert http.post("/v1/convert/file", json={}).json()["code"] == "invalid_request"
    files = [("files", (name, b"x")) for name in ("a.pdf", "b.pdf")]
    answer = http.post("/v1/convert/file", files=files)
    assert "one document" in answer.json()["detail"]
