"""The clients over a real socket: what they send, what they return, and each way it can fail."""

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from qwen_ocr import (
    DEFAULT_PROMPT,
    AsyncOCRClient,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ImageError,
    NotFoundError,
    OCRClient,
    OCRConnectionError,
    OCRError,
    OCRTimeoutError,
    OverloadedError,
    PromptError,
    ResponseError,
    ServerError,
    TruncatedError,
    Usage,
)

ERROR = json.dumps({"error": {"message": "the reason", "type": "x", "code": 0}}).encode()
PAGE = b"<!DOCTYPE html><title>It works!</title>"


def test_result(server: Any, ask: Any, png: bytes) -> None:
    result = ask(server.url, png)
    assert str(result) == result.text == "TOTAL 12.50"
    assert result.finish_reason == "stop"
    assert result.usage == Usage(prompt_tokens=70, completion_tokens=5)
    assert result.model == "Qwen/Qwen3-VL-8B-Instruct"
    assert result.request_id == "req-1"
    assert 0 < result.latency < 10


def test_request(server: Any, ask: Any, png: bytes) -> None:
    ask(server.url, png, client={"api_key": "secret"})
    models, request = server.requests
    assert (models.path, request.path) == ("/v1/models", "/v1/chat/completions")
    assert models.headers["authorization"] == request.headers["authorization"] == "Bearer secret"
    image = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    assert request.body == {
        "model": "Qwen/Qwen3-VL-8B-Instruct",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": image}},
                    {"type": "text", "text": DEFAULT_PROMPT},
                ],
            }
        ],
        "temperature": 0,
        "logprobs": True,
        "repetition_detection": {
            "min_pattern_size": 10,
            "max_pattern_size": 200,
            "min_count": 100,
        },
    }


def test_without_the_header_the_answer_has_an_id(
    server: Any, ask: Any, png: bytes, answered: Any
) -> None:
    server.answer(answered())
    assert ask(server.url, png).request_id == "chatcmpl-1"


def test_prompt_and_max_tokens_are_sent(server: Any, ask: Any, png: bytes) -> None:
    ask(server.url, png, "Read the total.", max_tokens=64)
    (body,) = server.chats
    assert body["messages"][0]["content"][1]["text"] == "Read the total."
    assert body["max_completion_tokens"] == 64


def test_remote_url_is_passed_through(server: Any, ask: Any) -> None:
    ask(server.url, "https://example.com/a.png")
    (body,) = server.chats
    assert body["messages"][0]["content"][0]["image_url"]["url"] == "https://example.com/a.png"


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_base_url_with_and_without_v1(server: Any, png: bytes, suffix: str) -> None:
    with OCRClient(server.url + suffix, model="m") as client:
        client.ocr(png)
    assert server.requests[-1].path == "/v1/chat/completions"


def test_model_is_discovered_once(server: Any, png: bytes) -> None:
    with OCRClient(server.url) as client:
        assert server.requests == []
        client.ocr(png)
        client.ocr(png)
    assert [r.path for r in server.requests] == ["/v1/models", *["/v1/chat/completions"] * 2]
    assert server.chats[0]["model"] == "Qwen/Qwen3-VL-8B-Instruct"


async def test_model_is_discovered_asynchronously(server: Any, png: bytes) -> None:
    async with AsyncOCRClient(server.url) as client:
        result = await client.ocr(png)
    assert result.text == "TOTAL 12.50"
    assert server.requests[0].path == "/v1/models"


def test_environment(server: Any, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_OCR_BASE_URL", server.url)
    monkeypatch.setenv("QWEN_OCR_API_KEY", "from-env\n")
    monkeypatch.setenv("QWEN_OCR_SERVED_MODEL_NAME", "")
    with OCRClient() as client:
        client.ocr(png)
    assert {r.headers["authorization"] for r in server.requests} == {"Bearer from-env"}
    with OCRClient(api_key="argument") as client:
        client.ocr(png)
    assert server.requests[-1].headers["authorization"] == "Bearer argument"


def test_key_of_another_service_is_not_sent(
    server: Any, ask: Any, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-private")
    ask(server.url, png)
    assert "sk-private" not in str(server.requests)


def test_image_is_shrunk_to_the_budget(server: Any, ask: Any) -> None:
    large = Image.new("L", (640, 480))
    ask(server.url, large, client={"max_image_tokens": 12, "model": "Qwen/Qwen2.5-VL-7B"})
    (body,) = server.chats
    url = body["messages"][0]["content"][0]["image_url"]["url"]
    sent = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    assert sent.size == (112, 84)


def test_sdk_retries(server: Any, ask: Any, png: bytes) -> None:
    server.answer_first(ERROR, status=503, headers={"retry-after-ms": "1"})
    assert ask(server.url, png, client={"max_retries": 1}).text == "TOTAL 12.50"
    assert len(server.chats) == 2


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (400, BadRequestError, "the reason"),
        (401, AuthenticationError, "QWEN_OCR_API_KEY"),
        (403, AuthenticationError, "QWEN_OCR_API_KEY"),
        (404, NotFoundError, "QWEN_OCR_SERVED_MODEL_NAME"),
        (408, OCRTimeoutError, "try again"),
        (409, BadRequestError, "the reason"),
        (413, BadRequestError, "HTTP 413"),
        (422, BadRequestError, "the reason"),
        (429, OverloadedError, "try again later"),
        (500, ServerError, "its log"),
        (502, ServerError, "its log"),
        (503, OverloadedError, "try again later"),
    ],
)
def test_status(
    server: Any, ask: Any, png: bytes, status: int, error: type[OCRError], advice: str
) -> None:
    server.answer(ERROR, status=status, headers={"x-request-id": "req-9"})
    with pytest.raises(OCRError, match=advice) as caught:
        ask(server.url, png)
    assert type(caught.value) is error
    assert caught.value.status == status
    assert caught.value.request_id == "req-9"
    assert caught.value.server_message == "the reason"
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("where", ["chat", "models"])
@pytest.mark.parametrize(
    ("status", "content_type", "body", "error"),
    [
        (200, "text/html", PAGE, ResponseError),
        (404, "text/html", PAGE, NotFoundError),
        (304, "text/html", b"", ResponseError),
        (200, "application/json", b"{nope", ResponseError),
        (200, "application/json", b"", ResponseError),
        (200, "application/json", b"null", ResponseError),
        (200, "application/json", b"[]", ResponseError),
        (200, "application/json", b"{}", ResponseError),
        (200, "application/json", b'{"data": [], "choices": []}', ResponseError),
        (200, "application/octet-stream", b"\xff\xfe\x00", ResponseError),
    ],
)
def test_not_an_ocr_server(
    server: Any,
    ask: Any,
    png: bytes,
    where: str,
    status: int,
    content_type: str,
    body: bytes,
    error: type[OCRError],
) -> None:
    server.answer(body, status=status, content_type=content_type)
    server.models = server.answers[0] if where == "models" else server.models
    with pytest.raises(error, match="QWEN_OCR_BASE_URL") as caught:
        ask(server.url, png, client={"model": None})
    assert caught.value.status == status
    assert caught.value.server_message is None
    assert "<" not in str(caught.value)


@pytest.mark.usefixtures("within")
def test_timeout(server: Any, ask: Any, png: bytes) -> None:
    server.answer(delay=9)
    with pytest.raises(OCRTimeoutError, match="QWEN_OCR_TIMEOUT"):
        ask(server.url, png, client={"timeout": 0.1})


def test_cut_connection(server: Any, ask: Any, png: bytes, answered: Any) -> None:
    server.answer(answered(), cut=True)
    with pytest.raises(OCRConnectionError, match="is the server running"):
        ask(server.url, png)


@pytest.mark.parametrize("model", [None, "m"])
def test_dead_server(dead_url: str, ask: Any, png: bytes, model: str | None) -> None:
    with pytest.raises(OCRConnectionError, match=r"is the server running.*`qwen-ocr serve`"):
        ask(dead_url, png, client={"model": model})


@pytest.mark.parametrize("reason", ["length", "abort"])
def test_truncated(server: Any, ask: Any, png: bytes, answered: Any, reason: str) -> None:
    server.answer(answered("half a pa", finish_reason=reason))
    with pytest.raises(TruncatedError, match="max_tokens") as caught:
        ask(server.url, png)
    assert caught.value.partial.text == "half a pa"
    assert caught.value.partial.finish_reason == reason
    assert ask(server.url, png, allow_truncated=True).text == "half a pa"


def test_blank_page_is_no_error(server: Any, ask: Any, png: bytes, answered: Any) -> None:
    empty = {"message": {"content": None}, "finish_reason": "stop"}
    server.answer(answered(choices=[empty], usage=None))
    result = ask(server.url, png)
    assert result.text == ""
    assert result.usage is None


@pytest.mark.parametrize("prompt", ["", " \n\t", None, 7, "\ud800"])
def test_bad_prompt_is_refused_before_anything_is_sent(
    server: Any, ask: Any, png: bytes, prompt: Any
) -> None:
    with pytest.raises(PromptError):
        ask(server.url, png, prompt, client={"model": None})
    assert server.requests == []


@pytest.mark.parametrize("image", [b"", b"no image", "/nowhere.png", None])
def test_bad_image_is_refused_before_anything_is_sent(server: Any, ask: Any, image: Any) -> None:
    with pytest.raises(ImageError):
        ask(server.url, image, client={"model": None})
    assert server.requests == []


@pytest.mark.parametrize("kind", [OCRClient, AsyncOCRClient])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"base_url": "localhost:8000"}, "QWEN_OCR_BASE_URL"),
        ({"base_url": "ftp://localhost"}, "QWEN_OCR_BASE_URL"),
        ({"base_url": "http://"}, "QWEN_OCR_BASE_URL"),
        ({"base_url": "http://user:sécrète@localhost"}, "QWEN_OCR_BASE_URL"),
        ({"base_url": "http://[::"}, "QWEN_OCR_BASE_URL"),
        ({"base_url": "http://localhost:port"}, "QWEN_OCR_BASE_URL"),
        ({"base_url": "http://localhost:99999"}, "QWEN_OCR_BASE_URL"),
        ({"timeout": 0}, "QWEN_OCR_TIMEOUT"),
        ({"timeout": float("nan")}, "QWEN_OCR_TIMEOUT"),
        ({"timeout": "soon"}, "QWEN_OCR_TIMEOUT"),
        ({"max_retries": -1}, "QWEN_OCR_MAX_RETRIES"),
        ({"max_image_tokens": 0}, "QWEN_OCR_MAX_IMAGE_TOKENS"),
        ({"api_key": "clé-sécrète"}, "QWEN_OCR_API_KEY"),
        ({"api_key": "two\nlines"}, "QWEN_OCR_API_KEY"),
    ],
)
def test_configuration_errors(kind: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        kind(**arguments)
    assert "sécrète" not in str(caught.value)


def test_bad_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_OCR_TIMEOUT", "soon")
    monkeypatch.setenv("QWEN_OCR_MAX_RETRIES", "many")
    with pytest.raises(ConfigurationError, match=r"QWEN_OCR_TIMEOUT.*; .*QWEN_OCR_MAX_RETRIES"):
        OCRClient()
