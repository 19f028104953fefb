"""Streams: the text as it comes, the result at its end, and each way that they can break."""

import json
from typing import Any

import pytest

from qwen_ocr import (
    AsyncOCRClient,
    ImageError,
    NotFoundError,
    OCRClient,
    OCRConnectionError,
    OCRError,
    OCRTimeoutError,
    OverloadedError,
    PromptError,
    RepetitionError,
    ResponseError,
    ServerError,
    TruncatedError,
    Usage,
)

SSE = {"content_type": "text/event-stream", "headers": {"x-request-id": "req-1"}}


def test_pieces_and_result(server: Any, call: Any, png: bytes, streamed: Any) -> None:
    server.answer(streamed("", "TO", "TAL", " 5"), **SSE)
    pieces, result = call(server.url, "stream", png)
    assert pieces == ["TO", "TAL", " 5"]
    assert (result.text, result.finish_reason, result.attempts) == ("TOTAL 5", "stop", 1)
    assert result.usage == Usage(prompt_tokens=70, completion_tokens=5)
    assert (result.request_id, result.model) == ("req-1", "Qwen/Qwen3-VL-8B-Instruct")
    assert result.latency > 0
    body = server.chats[0]
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert (body["temperature"], body["repetition_detection"]["min_count"]) == (0, 100)


def test_without_the_header_the_answer_has_an_id(
    server: Any, call: Any, png: bytes, streamed: Any
) -> None:
    server.answer(streamed("ok"), content_type="text/event-stream")
    assert call(server.url, "stream", png)[1].request_id == "chatcmpl-1"


def test_model_is_discovered(server: Any, call: Any, png: bytes, streamed: Any) -> None:
    server.answer(streamed("ok"), **SSE)
    assert call(server.url, "stream", png, client={"model": None})[0] == ["ok"]


def test_nothing_is_sent_before_the_first_piece(server: Any, png: bytes, streamed: Any) -> None:
    server.answer(streamed("a", "b"), **SSE)
    with OCRClient(server.url, model="m") as client:
        stream = client.stream(png)
        assert server.requests == []
        assert next(stream) == "a"
        with pytest.raises(RuntimeError, match="end"):
            _ = stream.result
        assert list(stream) == ["b"]
        assert list(stream) == []
        assert stream.result.text == "ab"


def test_stopping_early(server: Any, png: bytes, streamed: Any) -> None:
    server.answer(streamed("a", "b"), **SSE)
    with OCRClient(server.url, model="m") as client, client.stream(png) as stream:
        assert next(stream) == "a"
        stream.close()
        assert list(stream) == []


async def test_stopping_early_asynchronously(server: Any, png: bytes, streamed: Any) -> None:
    server.answer(streamed("a", "b"), **SSE)
    async with AsyncOCRClient(server.url, model="m") as client, client.stream(png) as stream:
        assert await anext(stream) == "a"
        await stream.close()
        assert [piece async for piece in stream] == []


@pytest.mark.parametrize(
    ("reason", "error"), [("length", TruncatedError), ("repetition", RepetitionError)]
)
def test_missing_text(
    server: Any, call: Any, png: bytes, streamed: Any, reason: str, error: type[TruncatedError]
) -> None:
    server.answer(streamed("half", " a pa", finish_reason=reason), **SSE)
    with pytest.raises(TruncatedError) as caught:
        call(server.url, "stream", png)
    assert type(caught.value) is error
    assert caught.value.partial.text == "half a pa"
    _, result = call(server.url, "stream", png, allow_truncated=True)
    assert result.finish_reason == reason
    assert len(server.chats) == 2


def test_loop_that_the_server_did_not_see(
    server: Any, call: Any, png: bytes, streamed: Any
) -> None:
    server.answer(streamed(*["and so on and on, "] * 500), **SSE)
    with pytest.raises(RepetitionError):
        call(server.url, "stream", png)


def test_error_in_the_middle(server: Any, call: Any, png: bytes, streamed: Any) -> None:
    failure = {"error": {"message": "the engine died", "type": "InternalServerError", "code": 500}}
    server.answer(streamed("half", failure), **SSE)
    with pytest.raises(ServerError, match="the engine died"):
        call(server.url, "stream", png)


def test_connection_that_breaks(server: Any, call: Any, png: bytes, streamed: Any) -> None:
    server.answer(streamed("half", finish_reason=None), cut=True, **SSE)
    with pytest.raises(OCRConnectionError):
        call(server.url, "stream", png)


def test_connection_that_ends_early(server: Any, call: Any, png: bytes, streamed: Any) -> None:
    server.answer(streamed("half", finish_reason=None), **SSE)
    with pytest.raises(OCRConnectionError, match=r"in the middle.*req-1"):
        call(server.url, "stream", png)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b"<!DOCTYPE html><title>It works!</title>"),
        ("text/event-stream", b""),
        ("text/event-stream", b"data: {nope\n\n"),
        ("text/event-stream", b"data: null\n\n"),
        ("text/event-stream", b"data: []\n\n"),
        ("text/event-stream", b"data: {}\n\n"),
        ("text/event-stream", b'data: {"model": "m", "choices": [{"delta": 5}]}\n\n'),
        ("text/event-stream", b"data: \xff\xfe\n\n"),
        ("application/json", b'{"model": "m", "choices": []}'),
    ],
)
def test_not_an_ocr_server(
    server: Any, call: Any, png: bytes, content_type: str, body: bytes
) -> None:
    server.answer(body, content_type=content_type)
    with pytest.raises(ResponseError, match="QWEN_OCR_BASE_URL"):
        call(server.url, "stream", png)


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFoundError), (500, ServerError), (503, OverloadedError)]
)
def test_status(server: Any, call: Any, png: bytes, status: int, error: type[OCRError]) -> None:
    server.answer(json.dumps({"error": {"message": "the reason"}}).encode(), status=status)
    with pytest.raises(error, match="the reason"):
        call(server.url, "stream", png)


@pytest.mark.usefixtures("within")
def test_timeout(server: Any, call: Any, png: bytes) -> None:
    server.answer(delay=9, **SSE)
    with pytest.raises(OCRTimeoutError):
        call(server.url, "stream", png, client={"timeout": 0.1})


def test_local_errors(server: Any, call: Any, png: bytes) -> None:
    with pytest.raises(ImageError):
        call(server.url, "stream", b"no image")
    with pytest.raises(PromptError):
        call(server.url, "stream", png, " ")
    assert server.requests == []
