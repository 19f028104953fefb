"""Documents through `POST /v1/ocr`: what is sent, and what is made of each event."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from qwen_ocr import (
    BadRequestError,
    ConfigurationError,
    Document,
    ImageError,
    OCRConnectionError,
    OCRError,
    ResponseError,
    Word,
)

PDF = b"%PDF-1.7 of whatever"
CORNERS = {"top_left_x": 1, "top_left_y": 2, "bottom_right_x": 30, "bottom_right_y": 40}
LAST = {"model": "mini", "usage_info": {"pages_processed": 2}, "document_annotation": None}
FIRST = {
    "index": 0,
    "markdown": "# Total\n\n12.50",
    "images": [{"id": "img-0.jpeg", **CORNERS, "image_base64": "data:image/jpeg;base64,AAEC"}],
    "dimensions": {"dpi": 200, "width": 1654, "height": 2339},
    "tables": [],
    "blocks": [
        {
            "type": "title",
            "content": "# Total",
            **CORNERS,
            "qwen_ocr": {
                "lines": [
                    {
                        "text": "Total",
                        "box": [1, 2, 30, 20],
                        "words": [[1, 30]],
                        "confidence": [0.9],
                    }
                ]
            },
        },
        {"type": "text", "content": "12.50", **CORNERS},
    ],
    "confidence_scores": {
        "average_page_confidence_score": 0.9,
        "minimum_page_confidence_score": 0.9,
        "word_confidence_scores": [{"text": "Total", "confidence": 0.9, "start_index": 2}],
    },
    "qwen_ocr": {
        "confidence": 0.9,
        "warnings": ["cut_off"],
        "turned": 90,
        "skew": -0.5,
        "text_layer": False,
    },
}
FAILED = {
    "index": 1,
    "markdown": "",
    "images": [],
    "dimensions": None,
    "qwen_ocr": {"error": {"code": "page_timeout", "message": "the page takes too long"}},
}


def events(*pages: object) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(page).encode() for page in pages)


@pytest.fixture
def answering(server: Any) -> Any:
    """The server, with both pages as its answer."""
    server.answer(
        events(FIRST, FAILED, LAST) + b"data: [DONE]\n\n", content_type="text/event-stream"
    )
    return server


def sent_fields(server: Any) -> dict[str, str]:
    """The fields of the form that was sent, without the file."""
    (request,) = server.requests
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    fields = {}
    for part in request.body.split(b"--" + boundary)[1:-1]:
        head, _, value = part.strip(b"\r\n").partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0].decode()
        if name != "file":
            fields[name] = value.decode()
    return fields


def test_pages_with_all_that_stands_on_them(answering: Any, call: Any) -> None:
    document = call(answering.url, "read_document", PDF, blocks=True, figures=True, confidence=True)
    assert isinstance(document, Document)
    first, second = document.pages
    assert (first.number, first.width, first.height, first.dpi) == (1, 1654, 2339, 200)
    assert str(first) == "# Total\n\n12.50"
    assert first.text == "Total"
    assert first.figures[0].data == base64.b64decode("AAEC")
    title = first.blocks[0]
    assert (title.kind, title.box) == ("title", (1, 2, 30, 40))
    assert (title.lines[0].words, title.lines[0].confidence) == (((1, 30),), (0.9,))
    assert first.words == (Word("Total", 0.9),)
    assert (first.turned, first.skew, first.warnings) == (90, -0.5, ("cut_off",))
    assert (second.number, second.markdown, second.width) == (2, "", 0)
    assert isinstance(second.error, OCRError)
    assert (str(second.error), second.error.code) == (
        "page 2: the page takes too long",
        "page_timeout",
    )
    assert document.failed == (second,)
    assert document.flagged == (first,)
    assert str(document) == first.markdown


def test_pages_as_they_come(answering: Any, call: Any) -> None:
    pages = call(answering.url, "stream_document", PDF)
    assert [page.number for page in pages] == [1, 2]


@pytest.mark.parametrize("kind", ["path", "str", "bytes", "file"])
def test_sources(answering: Any, call: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(PDF)
    sources = {"path": path, "str": str(path), "bytes": PDF, "file": io.BytesIO(PDF)}
    call(answering.url, "read_document", sources[kind])
    assert PDF in answering.requests[0].body
    assert answering.requests[0].path == "/v1/ocr"


def test_what_is_asked(answering: Any, call: Any) -> None:
    call(
        answering.url,
        "read_document",
        PDF,
        pages="1-3,7,12-",
        blocks=True,
        confidence=True,
        text_layer="prefer",
        password="open sesame",
    )
    assert sent_fields(answering) == {
        "stream": "true",
        "include_blocks": "true",
        "include_image_base64": "false",
        "confidence_scores_granularity": "word",
        "pages": "0-2,6,11-",
        "text_layer": "prefer",
        "password": "open sesame",
    }


def test_a_url_is_fetched_by_the_server(answering: Any, call: Any) -> None:
    call(answering.url, "read_document", "https://example.org/scan.pdf", pages=[1, 7])
    body = answering.requests[0].body
    assert body["document"] == {
        "type": "document_url",
        "document_url": "https://example.org/scan.pdf",
    }
    assert (body["pages"], body["stream"]) == ("0,6", True)


@pytest.mark.parametrize(
    "pages", ["", "0", "3-1", "a", "1,,2", "-2", "1-2-3", "٣", [0], ["1"], [], [1.0], [True], 5]
)
def test_bad_page_numbers(server: Any, call: Any, pages: Any) -> None:
    with pytest.raises(ConfigurationError, match="pages"):
        call(server.url, "read_document", PDF, pages=pages)
    assert server.requests == []


def test_bad_arguments(server: Any, call: Any) -> None:
    with pytest.raises(ConfigurationError, match="no such option: page"):
        call(server.url, "read_document", PDF, page=1)
    for source, message in (
        ("/nowhere/scan.pdf", r"/nowhere/scan\.pdf: No such file"),
        (b"", "empty"),
        (None, "not an image, a path or an open file"),
    ):
        with pytest.raises(ImageError, match=message):
            call(server.url, "read_document", source)
    assert server.requests == []


def test_a_document_that_the_server_refuses(server: Any, call: Any) -> None:
    error = {"message": "it is encrypted", "type": "invalid_request_error", "param": None}
    body = json.dumps({"error": error | {"code": "wrong_password"}}).encode()
    server.answer(body, status=400)
    with pytest.raises(BadRequestError, match="it is encrypted") as caught:
        call(server.url, "read_document", PDF)
    assert caught.value.code == "wrong_password"


def test_a_connection_that_ends_early(server: Any, call: Any) -> None:
    server.answer(events(FIRST), content_type="text/event-stream")
    with pytest.raises(OCRConnectionError, match="in the middle of the document"):
        call(server.url, "read_document", PDF)


@pytest.mark.parametrize("event", [{"choices": []}, [], {"index": 0}, {"index": 0, "markdown": 1}])
def test_another_kind_of_server(server: Any, call: Any, event: Any) -> None:
    server.answer(events(event) + b"data: [DONE]\n\n", content_type="text/event-stream")
    with pytest.raises(ResponseError, match="is this an OCR server"):
        call(server.url, "read_document", PDF)
