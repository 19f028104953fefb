"""Nothing that a caller sends makes the server fail: never a 5xx, and it reads on afterwards."""

import base64
import io
import re
import socket
from typing import Any

import httpx2
import pytest
from PIL import Image
from tests.server import hostile

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
OCR = "/api/v1/ocr"
TEXT = {"type": "text", "text": "Read all the text."}


@pytest.fixture(autouse=True)
def still_reads(http: httpx2.Client, png_base64: str) -> Any:
    """After each test, the server reads an image."""
    yield
    answer = http.post(CHAT, json=chat("data:image/png;base64," + png_base64))
    assert answer.status_code == 200, answer.text


def chat(url: object, **fields: object) -> dict[str, Any]:
    content = [{"type": "image_url", "image_url": {"url": url}}, TEXT]
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 1, **fields}


def assert_refused(response: httpx2.Response, *codes: str, status: int = 400) -> None:
    body = response.json()
    body = body.get("error", body)
    assert response.status_code == status, response.text
    assert body["code"] in codes, response.text
    assert body["request_id"] == response.headers["x-request-id"]
    assert "/site-packages" not in response.text
    assert "Traceback" not in response.text
    assert len(response.content) < 3000


def assert_handled(response: httpx2.Response) -> None:
    """Answered, or refused in the right form."""
    if response.status_code == 200:
        return
    assert 400 <= response.status_code < 500, response.text
    assert_refused(
        response, response.json().get("error", response.json())["code"], status=response.status_code
    )


@pytest.mark.parametrize(("name", "data"), list(hostile.broken_images()))
def test_a_broken_image(http: httpx2.Client, name: str, data: bytes) -> None:
    # Some damage leaves a readable image.
    for path, body in (
        (CHAT, chat(hostile.data_url(data))),
        (OCR, {"image": base64.b64encode(data).decode() or "=", "text": "Read."}),
    ):
        response = http.post(path, json=body)
        if response.status_code != 200:
            assert_refused(response, "invalid_image", "invalid_request")
    if name in ("HTML", "SVG", "PostScript", "nothing", "PNG cut at 0.5", "JPEG cut at 0.5"):
        assert_refused(response, "invalid_image")


def several_pages() -> bytes:
    """A TIFF of two pages."""
    buffer = io.BytesIO()
    page = Image.new("L", (64, 32), 255)
    page.save(buffer, "TIFF", save_all=True, append_images=[page])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
            "this is a PDF, .* `qwen-ocr read`, or read_document",
        ),
        (b"\xef\xbb\xbf\r\n%PDF-1.4\n", "this is a PDF, .* send it to /v1/ocr"),
        (several_pages(), "this TIFF has several pages: send it to /v1/ocr"),
    ],
)
def test_a_document_for_an_image_says_what_to_use(
    http: httpx2.Client, data: bytes, words: str
) -> None:
    responses = (
        http.post(CHAT, json=chat(hostile.data_url(data))),
        http.post(OCR, json={"image": base64.b64encode(data).decode(), "text": "Read."}),
        http.post(OCR, files={"image": data}),
    )
    for response in responses:
        assert_refused(response, "invalid_image")
        assert re.search(words, response.text)


def test_a_tiff_of_one_page_and_an_animation_are_read(http: httpx2.Client) -> None:
    frames = [Image.new("L", (64, 32), grey) for grey in (255, 0)]
    for image_format, more in (("TIFF", []), ("GIF", frames[1:]), ("WEBP", frames[1:])):
        buffer = io.BytesIO()
        frames[0].save(buffer, image_format, save_all=True, append_images=more)
        response = http.post(CHAT, json=chat(hostile.data_url(buffer.getvalue())))
        assert response.status_code == 200, response.text


def test_what_is_no_text_is_not_read_without_end(http: httpx2.Client) -> None:
    noise = Image.effect_noise((1024, 512), 100)
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    body = chat(hostile.data_url(buffer.getvalue())) | {"max_tokens": None}
    # A quarter of a minute alone; the machine may have other things to do.
    answer = http.post(CHAT, json=body, timeout=300).json()
    assert answer["usage"]["completion_tokens"] < 4096
    assert set(answer["qwen_ocr"]["warnings"]) & {"low_confidence", "no_text"}


@pytest.mark.parametrize(("name", "data"), list(hostile.bombs()))
def test_a_bomb_is_known_by_its_header(http: httpx2.Client, name: str, data: bytes) -> None:
    response = http.post(CHAT, json=chat(hostile.data_url(data)))
    assert_refused(response, "image_too_large", "invalid_image")
    assert response.elapsed.total_seconds() < 5
    upload = http.post(OCR, files={"image": data}, data={"text": "Read."})
    assert_refused(upload, "image_too_large", "invalid_image")


@pytest.mark.parametrize(("name", "url"), list(hostile.odd_data_urls()))
def test_an_odd_data_url(http: httpx2.Client, name: str, url: str) -> None:
    response = http.post(CHAT, json=chat(url))
    assert_handled(response)
    if name not in ("too much padding", "URL-safe alphabet"):
        assert_refused(response, "invalid_image")


@pytest.mark.parametrize("url", hostile.FORBIDDEN_URLS)
def test_no_url_is_fetched(http: httpx2.Client, url: str) -> None:
    responses_image = {"type": "input_image", "image_url": url}
    content = [responses_image, {"type": "input_text", "text": "Read."}]
    for path, body in (
        (CHAT, chat(url)),
        (OCR, {"image": url, "text": "Read."}),
        (RESPONSES, {"input": [{"role": "user", "content": content}], "max_output_tokens": 1}),
    ):
        assert_refused(http.post(path, json=body), "media_url_not_allowed", "invalid_image")


@pytest.mark.parametrize("url", hostile.FORBIDDEN_SCHEMES)
def test_no_file_is_read(http: httpx2.Client, url: str) -> None:
    response = http.post(CHAT, json=chat(url))
    if url:
        assert_refused(response, "invalid_image")
    else:
        assert_handled(response)


@pytest.mark.parametrize("messages", hostile.ODD_MESSAGES, ids=lambda value: repr(value)[:60])
def test_odd_messages(http: httpx2.Client, messages: object) -> None:
    assert_handled(http.post(CHAT, json={"messages": messages, "max_tokens": 1}))
    assert_handled(http.post(RESPONSES, json={"input": messages, "max_output_tokens": 1}))


@pytest.mark.parametrize(("name", "body"), hostile.BODIES)
def test_an_odd_body(http: httpx2.Client, name: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    for path in (CHAT, RESPONSES):
        response = http.post(path, content=body, headers=headers)
        if name not in ("NaN", "Infinity", "1e999"):
            assert response.status_code == 400, response.text
        assert_handled(response)
    response = http.post(OCR, content=body, headers=headers)
    assert response.status_code in (400, 422), response.text
    assert_handled(response)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b"{}"),
        ("", b"{}"),
        ("application/json; charset=utf-16", b"{}"),
        ("application/x-www-form-urlencoded", b"image=x&text=y"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=a", b"x"),
        ("multipart/form-data; boundary=a", b"--a\r\n\r\n\r\n--a--\r\n"),
        ("multipart/form-data; boundary=a", b"--a\r\nContent-Disposition: x\r\n\r\n\r\n--a--\r\n"),
        (
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="image"\r\n\r\nx\r\n--a--\r\n',
        ),
        (
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n',
        ),
        (
            "multipart/form-data; boundary=a",
            b'--a\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n\r\n' * 50
            + b"--a--\r\n",
        ),
        ("multipart/form-data; boundary=" + "a" * 5000, b"x"),
        ("\xff\xfe", b"{}"),
    ],
)
def test_an_odd_form(http: httpx2.Client, content_type: str, body: bytes) -> None:
    headers = {b"Content-Type": content_type.encode("latin-1")}
    for path in (CHAT, OCR):
        response = http.post(path, content=body, headers=headers)
        assert 400 <= response.status_code < 500, response.text
        assert_handled(response)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 6_000_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"A: b\r\n" * 3000 + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: "
        + b"9" * 50
        + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /health%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /..;/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET http://127.0.0.1/tokenize HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
    ids=lambda request: repr(request[:40]),
)
def test_what_is_hardly_http(http: httpx2.Client, request_bytes: bytes) -> None:
    address = (http.base_url.host, http.base_url.port or 0)
    with socket.create_connection(address, timeout=20) as connection:
        try:
            connection.sendall(request_bytes)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
        except ConnectionError:
            answer = b""  # hung up on, which is an answer too
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), answer
