"""Whole pages on the bundled model, through every way in."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mistralai.client import Mistral
from openai import OpenAI
from PIL import Image
from rapidfuzz.distance import Levenshtein

from qwen_ocr import BadRequestError, OCRClient, OCRError, TruncatedError

TESTS = Path(__file__).parents[1]
PAGES = TESTS / "evaluation/pages"
RECEIPT = TESTS / "samples/receipt.pdf"
TRUTH = {
    row["file"]: row["text"]
    for row in map(json.loads, (PAGES / "truth.jsonl").read_text("utf-8").splitlines())
}
FIELDS = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
SOME = (
    "letter-turned.png",
    "two-columns-clean.png",
    "three-columns-skewed.png",
    "invoice-skewed.png",
    "form-clean.png",
    "book-noisy.jpg",
    "screen-1-bit.png",
)


def error_rate(text: str, name: str) -> float:
    truth = " ".join(TRUTH[name].split())
    return Levenshtein.distance(" ".join(text.split()), truth) / len(truth)


@pytest.mark.parametrize("name", SOME)
def test_a_page_is_read_well(base_url: str, name: str) -> None:
    with OCRClient(base_url) as client:
        result = client.ocr(PAGES / name)
    # The mean of the forty pages is 0.4 %, Tesseract's 14 %.
    assert error_rate(result.text, name) < 0.04, result.text
    assert result.warnings == ()
    assert result.confidence is not None
    assert result.confidence > 0.9
    assert result.finish_reason == "stop"


def test_an_answer_says_that_the_page_was_turned_and_read_in_pieces(http: httpx2.Client) -> None:
    image = base64.b64encode((PAGES / "invoice-turned.png").read_bytes()).decode()
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
    content = [part, {"type": "text", "text": "Read all the text."}]
    body = {"messages": [{"role": "user", "content": content}]}
    about = http.post("/v1/chat/completions", json=body).json()["qwen_ocr"]
    assert about["turned"] == 180
    assert about["pieces"] > 10


def test_a_stream_has_the_same_text(base_url: str) -> None:
    page = PAGES / "notes-skewed.png"
    with OCRClient(base_url) as client:
        stream = client.stream(page, confidence=True)
        pieces = list(stream)
        whole = client.ocr(page)
    assert len(pieces) > 10
    assert "".join(pieces) == stream.result.text == whole.text
    assert stream.result.confidence == pytest.approx(whole.confidence, abs=0.01)
    assert len(stream.result.words) == len(whole.text.split())


def test_any_openai_sdk_reads_a_page(base_url: str) -> None:
    image = base64.b64encode((PAGES / "form-noisy.jpg").read_bytes()).decode()
    url = {"url": f"data:image/jpeg;base64,{image}"}
    part: Any = {"type": "image_url", "image_url": url}
    message: Any = {"role": "user", "content": [part, {"type": "text", "text": "Read it."}]}
    with OpenAI(base_url=f"{base_url}/v1", api_key="none") as client:
        answer = client.chat.completions.create(model="mini", messages=[message])
    assert error_rate(answer.choices[0].message.content or "", "form-noisy.jpg") < 0.04
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 250


def test_a_prompt_that_is_too_long_for_every_piece(base_url: str) -> None:
    page, prompt = PAGES / "letter-clean.png", "word " * 20_000
    with OCRClient(base_url) as client:
        with pytest.raises(BadRequestError, match="maximum context length"):
            client.ocr(page, prompt)
        with pytest.raises(OCRError, match="maximum context length"):  # the answer has begun
            list(client.stream(page, prompt))


def response_body(name: str) -> dict[str, Any]:
    """A request of the Responses API for a page."""
    image = base64.b64encode((PAGES / name).read_bytes()).decode()
    part = {"type": "input_image", "image_url": f"data:image/png;base64,{image}", "detail": "auto"}
    content = [part, {"type": "input_text", "text": "Read it."}]
    return {"input": [{"role": "user", "content": content}]}


def test_the_responses_api_reads_a_page(base_url: str) -> None:
    name = "notes-skewed.png"
    with OpenAI(base_url=f"{base_url}/v1", api_key="-") as sdk:
        asked = {**response_body(name), "include": ["message.output_text.logprobs"]}
        whole = sdk.responses.create(**asked)
        events = list(sdk.responses.create(**asked, stream=True))
    assert error_rate(whole.output_text, name) < 0.04
    assert whole.status == "completed"
    assert whole.usage is not None
    assert whole.usage.output_tokens > 100
    about = (whole.model_extra or {})["qwen_ocr"]
    assert about["pieces"] > 10
    assert about["confidence"] > 0.9
    message: Any = whole.output[0]
    spelt = b"".join(bytes(token.bytes) for token in message.content[0].logprobs)
    assert spelt.decode() == whole.output_text

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 10
    assert "".join(deltas) == whole.output_text
    last: Any = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == whole.output_text
    assert last.response.usage.output_tokens == whole.usage.output_tokens


def test_a_limit_of_the_responses_api_is_for_the_whole_page(http: httpx2.Client) -> None:
    body = {**response_body("notes-skewed.png"), "max_output_tokens": 40}
    answer = http.post("/v1/responses", json=body).json()
    assert answer["status"] == "incomplete"
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"}
    assert answer["usage"]["output_tokens"] == 40


def test_the_replaced_route_reads_a_page(http: httpx2.Client) -> None:
    file = {"image": (PAGES / "letter-skewed.png").read_bytes()}
    answer = http.post("/api/v1/ocr", files=file, headers={"Accept": "text/plain"})
    assert error_rate(answer.text, "letter-skewed.png") < 0.04


def test_a_limit_of_tokens_is_for_the_whole_page(base_url: str) -> None:
    with OCRClient(base_url) as client, pytest.raises(TruncatedError) as caught:
        client.ocr(PAGES / "letter-clean.png", max_tokens=100)
    partial = caught.value.partial
    assert partial.finish_reason == "length"
    assert partial.usage is not None
    assert partial.usage.completion_tokens == 100
    assert 150 <= len(partial.text) <= 350


def test_a_page_without_text_is_flagged(base_url: str) -> None:
    with OCRClient(base_url) as client:
        result = client.ocr(Image.new("L", (1240, 1754), 255))
    assert (result.text, result.warnings) == ("", ("no_text",))


def test_mistrals_sdk_reads_a_pdf(base_url: str) -> None:
    data = base64.b64encode(RECEIPT.read_bytes()).decode()
    document: Any = {"type": "document_url", "document_url": f"data:application/pdf;base64,{data}"}
    with Mistral(server_url=base_url, api_key="none") as client:
        answer = client.ocr.process(
            model="mistral-ocr-latest",
            document=document,
            include_blocks=True,
            confidence_scores_granularity="word",
        )
    (page,) = answer.pages
    assert "| Espresso | 26.44 |" in page.markdown
    assert answer.usage_info.pages_processed == 1
    assert page.dimensions
    assert (page.index, page.dimensions.dpi) == (0, 200)
    assert page.confidence_scores
    assert page.confidence_scores.average_page_confidence_score > 0.9


def test_boxes_are_where_the_text_is(http: httpx2.Client) -> None:
    fields = {"include_blocks": "true"}
    files = {"file": (PAGES / "two-columns-clean.png").read_bytes()}
    (page,) = http.post("/v1/ocr", files=files, data=fields).json()["pages"]
    title, first, *_ = page["blocks"]
    assert (title["type"], title["content"]) == ("title", "# How the orchard was saved")
    assert page["markdown"].startswith("# How the orchard was saved\n\nAn earlier version")
    assert title["bottom_right_y"] < first["top_left_y"]
    assert first["bottom_right_x"] < page["dimensions"]["width"] / 2


def test_pages_of_a_tiff_come_as_they_are_read(http: httpx2.Client) -> None:
    names = ("form-clean.png", "notes-clean.png")
    pages = [Image.open(PAGES / name).convert("L") for name in names]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    files = {"file": buffer.getvalue()}
    with http.stream("POST", "/v1/ocr", files=files, data={"stream": "true"}) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    *read, about, end = lines
    assert [json.loads(line)["index"] for line in read] == [0, 1]
    assert json.loads(about)["usage_info"]["pages_processed"] == 2
    assert end == "[DONE]"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"document": {"type": "document_url", "document_url": "data:;base64,AAAA"}}, "invalid"),
        ({"document": {"type": "file", "file_id": "x"}}, "file_not_found"),
        ({"document": {"type": "file"}}, "invalid_request"),
        ({"document": {"type": "document_url"}}, "invalid_request"),
        ({}, "invalid_request"),
        ({"document": {"type": "image_url", "image_url": "file:///etc/passwd"}}, "invalid_image"),
        ({"pages": "1-"}, "invalid_request"),
        ({"pages": [1]}, "invalid_request"),
        ({"pages": "999999999999"}, "invalid_request"),
        ({"bbox_annotation_format": {}}, "invalid_request"),
        ({"document_annotation_format": FIELDS}, "unsupported_task"),
        ({"text_layer": "always"}, "invalid_request"),
        ({"something": 1}, "unsupported_parameter"),
    ],
)
def test_what_cannot_be_read_is_refused(
    http: httpx2.Client, fields: dict[str, Any], code: str
) -> None:
    data = base64.b64encode(RECEIPT.read_bytes()).decode()
    url = f"data:application/pdf;base64,{data}"
    whole = {"document": {"type": "document_url", "document_url": url}}
    body = fields if not fields or "document" in fields else whole | fields
    answer = http.post("/v1/ocr", json=body)
    assert answer.status_code == (404 if code == "file_not_found" else 400)
    assert answer.json()["error"]["code"].startswith(code), answer.text
