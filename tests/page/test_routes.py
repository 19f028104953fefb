"""The routes under the page, over plain HTTP."""

import re
import socket
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from qwen_ocr_serve.launch.local_server import LocalServer
from qwen_ocr_serve.settings import ServeSettings

PAGES = "/api/v1/pages"
STATIC = Path(__file__).parents[2] / "serve" / "qwen_ocr_serve" / "page" / "static"


@pytest.fixture
def http(server: LocalServer) -> Iterator[httpx2.Client]:
    """A plain HTTP client; paths are relative to the server's root."""
    with httpx2.Client(base_url=server.base_url, timeout=60) as client:
        yield client


def test_the_root_is_a_page_for_browsers_and_json_for_programs(http: httpx2.Client) -> None:
    page = http.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>qwen-ocr" in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    for accept in ("*/*", "application/json"):
        assert http.get("/", headers={"Accept": accept}).json()["name"] == "qwen-ocr"


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.*")), ids=lambda path: path.name)
def test_files_have_their_type_and_are_sent_once(http: httpx2.Client, path: Path) -> None:
    types = {
        ".css": ("text/css",),
        ".html": ("text/html",),
        ".js": ("text/javascript", "application/javascript"),
        ".svg": ("image/svg+xml",),
    }
    first = http.get(f"/page/{path.name}")
    assert first.content == path.read_bytes()
    assert first.headers["content-type"].partition(";")[0] in types[path.suffix]
    assert first.headers["cache-control"] == "no-cache"
    again = http.get(f"/page/{path.name}", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("pdfjs/pdf.min.mjs", "text/javascript"),
        ("pdfjs/wasm/openjpeg.wasm", "application/wasm"),
        ("pdfjs/cmaps/UniGB-UCS2-H.bcmap", None),
        ("pdfjs/standard_fonts/LiberationSans-Regular.ttf", "font/ttf"),
    ],
)
def test_libraries_are_served(http: httpx2.Client, name: str, media_type: str | None) -> None:
    answer = http.get(f"/page/vendor/{name}")
    assert answer.content == (STATIC / "vendor" / name).read_bytes()
    if media_type:
        assert answer.headers["content-type"].partition(";")[0] == media_type


def test_every_library_is_listed_with_its_licence() -> None:
    listed = (STATIC / "vendor/README.md").read_text("utf-8")
    for folder in (STATIC / "vendor").iterdir():
        if folder.is_dir():
            assert f"| `{folder.name}` |" in listed
            assert list(folder.glob("LICENSE*")), folder


def test_nothing_loads_from_elsewhere() -> None:
    for path in STATIC.glob("*.*"):
        text = path.read_text("utf-8").replace("http://www.w3.org/", "")  # names, not addresses
        assert "http://" not in text, path
        assert "https://" not in text, path
        assert not re.search(r"(inner|outer)HTML\s*\+?=[^=]", text), path


@pytest.mark.parametrize(
    "name", ["missing.js", "..%2froutes.py", "%2e%2e/routes.py", "", "%00", "vendor"]
)
def test_other_files_do_not_exist(http: httpx2.Client, name: str) -> None:
    assert http.get(f"/page/{name}").status_code == 404


def test_a_page_of_a_pdf_is_a_picture(http: httpx2.Client, samples: Path) -> None:
    data = (samples / "receipt.pdf").read_bytes()
    answer = http.post(PAGES, content=data, headers={"Content-Type": "application/pdf"})
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-page-count"] == "1"
    full = Image.open(BytesIO(answer.content)).size
    half = Image.open(BytesIO(http.post(PAGES, content=data, params={"dpi": 100}).content)).size
    assert half == pytest.approx((full[0] / 2, full[1] / 2), abs=1)
    small = http.post(PAGES, content=data, params={"width": 100}).content
    assert Image.open(BytesIO(small)).width == pytest.approx(100, abs=1)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"page": "2"}, "the document has 1"),
        ({"page": "0"}, "page"),
        ({"page": "two"}, "page"),
        ({"dpi": "1e9"}, "dpi"),
        ({"dpi": "nan"}, "dpi"),
        ({"width": "5"}, "width"),
        ({"width": "100000"}, "width"),
    ],
)
def test_bad_numbers_are_refused(
    http: httpx2.Client, samples: Path, query: dict[str, str], message: str
) -> None:
    answer = http.post(PAGES, content=(samples / "receipt.pdf").read_bytes(), params=query)
    assert answer.status_code == 400
    assert message in answer.text


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 422, "body is empty"),
        (b"hello", 400, "not an image in a known format"),
        (b"%PDF-1.7\n" + bytes(1000), 400, "cannot be opened as a PDF"),
        (bytes(int(ServeSettings().max_body_mib * 2**20) + 1), 413, ""),
    ],
    ids=["empty", "text", "zeros", "too large"],
)
def test_what_is_no_pdf_is_refused(
    http: httpx2.Client, body: bytes, status: int, message: str
) -> None:
    answer = http.post(PAGES, content=body)
    assert answer.status_code == status
    assert message in answer.text
    assert http.get("/health").status_code == 200


def test_an_upload_that_breaks_off_is_no_news(
    server: LocalServer, http: httpx2.Client, samples: Path
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /api/v1/pages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n%PDF"
        )
    assert http.post(PAGES, content=(samples / "receipt.pdf").read_bytes()).status_code == 200
    assert "ClientDisconnect" not in server.log.read_text(errors="replace")


def test_the_documentation_describes_it(http: httpx2.Client) -> None:
    operation = http.get("/openapi.json").json()["paths"][PAGES]["post"]
    assert "application/pdf" in operation["requestBody"]["content"]
    assert {parameter["name"] for parameter in operation["parameters"]} == {"page", "dpi", "width"}
    assert "image/png" in operation["responses"]["200"]["content"]
