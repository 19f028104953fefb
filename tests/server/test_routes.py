"""The routes that the plugin adds, over real HTTP to a real engine."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from http.client import HTTPConnection
from importlib.metadata import version
from typing import Any

import httpx2
import pytest

from qwen_ocr_serve.launch.local_server import LocalServer

OCR = "/api/v1/ocr"


def assert_envelope(response: httpx2.Response, status: int) -> dict[str, Any]:
    body = response.json()
    assert response.status_code == status, body
    fields = {"success", "data", "message", "timestamp", "request_id"}
    assert set(body) == fields | ({"confidence", "warnings"} if status == 200 else {"code"})
    assert body["success"] is (status == 200)
    assert datetime.fromisoformat(body["timestamp"]).tzinfo
    assert response.headers["X-Request-Id"] == body["request_id"]
    return dict(body)


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_ocr_reads_an_image(http: httpx2.Client, png_base64: str, prefix: str) -> None:
    response = http.post(OCR, json={"image": prefix + png_base64, "text": "Read all the text."})
    body = assert_envelope(response, 200)
    (text,) = body["data"]
    assert isinstance(text, str)


def test_base64_may_be_wrapped_in_lines(http: httpx2.Client, png: bytes) -> None:
    image = base64.encodebytes(png).decode()
    assert image.count("\n") > 1
    assert_envelope(http.post(OCR, json={"image": image, "text": "Read."}), 200)


def test_a_form_and_plain_text_for_the_shell(http: httpx2.Client, png: bytes) -> None:
    text = {"text": "Read all the text."}
    enveloped = assert_envelope(http.post(OCR, files={"image": png}, data=text), 200)
    headers = {"Accept": "text/plain"}
    plain = http.post(OCR, files={"image": png}, data=text, headers=headers)
    assert plain.headers["content-type"] == "text/plain; charset=utf-8"
    assert plain.headers["x-finish-reason"] == "stop"
    assert plain.text == enveloped["data"][0] + "\n"
    # The prompt may be left out: whoever sends only a file wants all of its text.
    assert http.post(OCR, files={"image": png}, headers=headers).status_code == 200
    refused = http.post(OCR, files={"image": b"no image"}, headers=headers)
    assert refused.status_code == 400
    assert refused.text.startswith("the image cannot be read")
    assert "invalid_image" in refused.text


def test_a_form_that_misses_something_is_422(http: httpx2.Client, png: bytes) -> None:
    for files, data in (
        ({"picture": png}, {}),
        ({"image": png}, {"text": " "}),
        ({"text": png}, {"image": "x"}),
    ):
        assert_envelope(http.post(OCR, files=files, data=data), 422)


def test_the_callers_request_id_is_kept(http: httpx2.Client, png_base64: str) -> None:
    headers = {"X-Request-Id": "page-17"}
    body = {"image": png_base64, "text": "Read."}
    good = assert_envelope(http.post(OCR, json=body, headers=headers), 200)
    bad = assert_envelope(http.post(OCR, json={}, headers=headers), 422)
    assert good["request_id"] == bad["request_id"] == "page-17"


def test_what_is_not_an_image_is_refused(http: httpx2.Client, png: bytes) -> None:
    images = {
        "not base64": "!!!",
        "not an image": base64.b64encode(b"hello").decode(),
        "cut off": base64.b64encode(png[: len(png) // 2]).decode(),
        "a URL": "http://127.0.0.1/secret.png",
        "a file": "file:///etc/passwd",
        "a data URL without data": "data:image/png;base64",
    }
    for what, image in images.items():
        body = assert_envelope(http.post(OCR, json={"image": image, "text": "Read."}), 400)
        assert body["message"], what
        assert body["data"] == [], what


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"text": "Read."}', "image"),
        (b'{"image": "aGVsbG8="}', "text"),
        (b'{"image": "aGVsbG8=", "text": " "}', "text"),
        (b'{"image": 3, "text": "Read."}', "image"),
        (b"{", "JSON"),
        (b"", ""),
    ],
)
def test_a_body_that_misses_something_is_422(http: httpx2.Client, body: bytes, field: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = assert_envelope(http.post(OCR, content=body, headers=headers), 422)
    assert field in answer["message"]


def test_a_prompt_longer_than_the_context_is_400(http: httpx2.Client, png_base64: str) -> None:
    body = {"image": png_base64, "text": "word " * 20_000}
    assert "length" in assert_envelope(http.post(OCR, json=body), 400)["message"]


def test_health_is_json_and_counts_requests(http: httpx2.Client, png_base64: str) -> None:
    idle = http.get("/health")
    assert idle.status_code == 200
    body = idle.json()
    assert body["status"] == "healthy"
    assert body["model_loaded"] is True
    assert body["model"] == http.get("/v1/models").json()["data"][0]["id"]
    assert datetime.fromisoformat(body["timestamp"]).tzinfo
    assert body["concurrent_requests"] == body["queued"] == 0
    assert body["max_concurrent"] >= 1

    # More tokens than the default answer has, so that the engine is seen at work.
    request = {
        "model": body["model"],
        "messages": [{"role": "user", "content": "Go on."}],
        "max_tokens": 100,
        "ignore_eos": True,
    }
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(http.post, "/v1/chat/completions", json=request) for _ in range(3)]
        seen = 0
        while not all(answer.done() for answer in answers):
            seen = max(seen, http.get("/health").json()["concurrent_requests"])
    assert [answer.result().status_code for answer in answers] == [200] * 3
    assert 1 <= seen <= 3
    assert http.get("/health").json()["concurrent_requests"] == 0


def test_the_root_tells_name_and_version(http: httpx2.Client) -> None:
    body = http.get("/").json()
    assert body == {"name": "qwen-ocr", "version": version("qwen-ocr"), "docs": "/docs"}
    assert http.get(body["docs"]).status_code == 200


def test_a_connection_outlives_a_pause(server: LocalServer) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    with closing(connection):
        for pause in (0, 6):  # vLLM alone closes it after 5 s
            time.sleep(pause)
            connection.request("GET", "/health")
            assert connection.getresponse().read()
