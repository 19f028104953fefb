"""Every model is asked in its own words, whatever it is called, and its answers are understood."""

import base64
import io
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from qwen_ocr import OCRClient, SchemaError, Task, TextBlock, TextBox, UnsupportedTaskError
from qwen_ocr import own_words as words
from qwen_ocr.confidence import Token, mean_confidence, words_within
from qwen_ocr.markup import OUTPUTS
from qwen_ocr.profiles import PROFILES, Profile, known_profile, profile_named, tell, told_profile
from qwen_ocr.prompts import TASKS

NAMES = {
    "datalab-to/chandra-ocr-2": ("chandra-2", 32, 1000),
    "allenai/olmOCR-2-7B-1025-FP8": ("olmocr-2", 28, None),
    "nanonets/Nanonets-OCR2-3B": ("nanonets-ocr2", 28, None),
    "lightonai/LightOnOCR-3-4B": ("lightonocr-3", 32, 1000),
    "lightonai/LightOnOCR-3-1B": ("lightonocr-3-1b", 28, 1000),
    "lightonai/LightOnOCR-2-1B-bbox": ("lightonocr-2", 28, 1000),
    "infly/Infinity-Parser2-Pro": ("infinity-parser2", 32, 1000),
    "rednote-hilab/dots.ocr": ("dots.ocr", 28, None),
    "rednote-hilab/dots.mocr": ("dots.ocr", 28, None),
    "Qwen/Qwen3-VL-8B-Thinking": ("qwen3-vl-thinking", 32, 1000),
    "Qwen/Qwen3-VL-8B-Instruct": ("qwen3-vl", 32, 1000),
    "Qwen/Qwen2.5-VL-7B-Instruct": ("qwen2.5-vl", 28, None),
    "Qwen/Qwen3.8-27B": ("qwen3.5", 32, 1000),
    "mini": ("mini", 16, 1000),
}


@pytest.mark.parametrize("model", NAMES)
def test_names(model: str) -> None:
    name, factor, box_range = NAMES[model]
    profile = known_profile(model)
    assert profile is not None
    assert (profile.name, profile.family.factor) == (name, factor)
    assert profile.family.box_range == box_range


@pytest.mark.parametrize("model", ["ocr", "Qwen/Qwen3-8B", "Qwen3-ASR-1.7B", "gpt"])
def test_names_that_tell_nothing(model: str) -> None:
    assert known_profile(model) is None


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_server_tells_all_of_it(profile: Profile) -> None:
    about = json.loads(json.dumps(tell(profile)))
    assert replace(told_profile("ocr", about), pattern=profile.pattern) == profile
    assert profile_named(profile.name) == profile
    assert profile.output in OUTPUTS
    assert set(profile.prompts) <= set(profile.family.tasks) <= set(TASKS)


def serve(server: Any, *models: tuple[str, object]) -> None:
    """Let the server list these models, and say this about them."""
    data = [{"id": name, "qwen_ocr": about} for name, about in models]
    server.models.body = json.dumps({"data": data}).encode()


def of(name: str) -> dict[str, Any]:
    profile = profile_named(name)
    assert profile is not None
    return tell(profile)


OCR: dict[str, Any] = {"model": "ocr"}


def test_a_served_name(server: Any, call: Any, png: bytes, answered: Any) -> None:
    serve(server, ("ocr", of("chandra-2")))
    html = '<div data-bbox="0 0 500 1000" data-label="Section-Header"><h1>Hi</h1></div>'
    server.answer(answered(html))
    result = call(server.url, "ocr", png, Task.MARKDOWN, client=OCR)
    assert server.chats[0]["messages"][0]["content"][1]["text"] == words.CHANDRA_2
    assert (result.text, result.raw) == ("# Hi", html)
    assert result.blocks == (TextBlock("title", "# Hi", (0, 0, 32, 48)),)
    assert call(server.url, "ocr", png, Task.HTML, client=OCR).text == html
    assert call(server.url, "locate", png, client=OCR) == [TextBox("# Hi", (0, 0, 32, 48))]
    assert "response_format" not in server.chats[-1]
    with pytest.raises(UnsupportedTaskError, match="key_value"):
        call(server.url, "ocr", png, Task.KEY_VALUE(["total"]), client=OCR)


def test_another_models_words_are_the_callers(server: Any, ask: Any, png: bytes) -> None:
    serve(server, ("ocr", of("chandra-2")))
    assert ask(server.url, png, "What is the total?", client=OCR).raw is None
    assert server.chats[0]["messages"][0]["content"][1]["text"] == "What is the total?"


def test_text_before_the_image_and_a_temperature(server: Any, ask: Any, answered: Any) -> None:
    serve(server, ("ocr", of("olmocr-2")))
    server.answer(
        answered(
            "---\nprimary_language: en\nis_rotation_valid: False\nrotation_correction: 90\n---"
        )
    )
    result = ask(server.url, Image.new("L", (2000, 3000)), client=OCR)
    (body,) = server.chats
    text, image = body["messages"][0]["content"]
    assert text["text"] == words.OLMOCR_2
    assert body["temperature"] == 0.1
    data = io.BytesIO(base64.b64decode(image["image_url"]["url"].partition(",")[2]))
    assert max(Image.open(data).size) == 1288
    assert (result.text, result.warnings) == ("", ("no_text", "turned"))


def test_no_prompt_at_all(server: Any, ask: Any, png: bytes) -> None:
    serve(server, ("ocr", of("lightonocr-3")))
    ask(server.url, png, client=OCR)
    (part,) = server.chats[0]["messages"][0]["content"]
    assert part["type"] == "image_url"


def test_boxes_in_pixels_of_the_resized_image(
    server: Any, call: Any, png: bytes, answered: Any
) -> None:
    # 64 x 48 pixels are 56 x 56 to the model.
    serve(server, ("ocr", of("dots.ocr")))
    server.answer(answered('[{"bbox": [0, 28, 56, 56], "category": "Text", "text": "a"}]'))
    assert call(server.url, "locate", png, client=OCR) == [TextBox("a", (0, 24, 64, 48))]
    server.answer(answered("[{;"))
    with pytest.raises(SchemaError):
        call(server.url, "locate", png, client=OCR)
    result = call(server.url, "ocr", png, Task.MARKDOWN, client=OCR)
    assert (result.text, result.warnings) == ("[{;", ("not_understood",))


def test_an_adapter_is_the_one_that_was_asked_for(server: Any, ask: Any, png: bytes) -> None:
    serve(server, ("base", of("qwen2.5-vl")), ("receipts", of("lightonocr-3")))
    ask(server.url, png, client={"model": "receipts"})
    assert server.chats[0]["model"] == "receipts"
    assert len(server.chats[0]["messages"][0]["content"]) == 1
    ask(server.url, png, client={"model": None})
    assert server.chats[1]["model"] == "base"


def test_a_foreign_servers_name_tells(server: Any, ask: Any, png: bytes) -> None:
    serve(server, ("datalab-to/chandra-ocr-2", None))
    ask(server.url, png, client={"model": "datalab-to/chandra-ocr-2"})
    assert server.chats[0]["messages"][0]["content"][1]["text"] == words.CHANDRA_2


@pytest.mark.parametrize(("status", "body"), [(404, b"{}"), (200, b"<html>"), (200, b"[]")])
def test_a_server_that_lists_no_models(
    server: Any, ask: Any, png: bytes, status: int, body: bytes
) -> None:
    server.models.status, server.models.body = status, body
    assert ask(server.url, png, client={"model": "lightonai/LightOnOCR-3-4B"}).text
    assert len(server.chats[0]["messages"][0]["content"]) == 1


def test_asked_once(server: Any, png: bytes) -> None:
    serve(server, ("ocr", of("dots.ocr")))
    with OCRClient(server.url, model="ocr") as client:
        client.ocr(png)
        client.ocr(png)
    assert [request.method for request in server.requests] == ["GET", "POST", "POST"]


def test_a_stream_ends_with_markdown(server: Any, call: Any, png: bytes, streamed: Any) -> None:
    serve(server, ("ocr", of("infinity-parser2")))
    json_text = '[{"bbox": [0, 0, 9, 9], "category": "title", "text": "# A"}]'
    server.answer(streamed(json_text[:20], json_text[20:]), content_type="text/event-stream")
    pieces, result = call(server.url, "stream", png, Task.MARKDOWN, client=OCR)
    assert "".join(pieces) == result.raw == json_text
    assert result.text == "# A"


def test_confidence_is_that_of_the_text_alone() -> None:
    written = [
        Token(b'<div data-bbox="1 2 3 4" data-label="Text">', math.log(0.1)),
        Token(b"<p>Total", math.log(0.5)),
        Token(b" <b>12</b>", math.log(0.9)),
        Token(b"</p></div>", math.log(0.1)),
    ]
    found = words_within("Total **12**", written)
    assert [(word.text, round(word.confidence, 2)) for word in found] == [
        ("Total", 0.5),
        ("12", 0.9),
    ]
    layout = [
        Token(b'[{"bbox": [12, 5, 7, 8], "category": "Text", "text": "', math.log(0.1)),
        Token(b"12 of", math.log(0.9)),
        Token(b"\\n7", math.log(0.5)),
        Token(b'"}]', math.log(0.1)),
    ]
    assert mean_confidence(words_within("12 of\n7", layout)) == pytest.approx(2.3 / 3)
    assert words_within("something else", layout) == ()
