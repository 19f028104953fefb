"""Answers with a form: presets, validated objects, boxes in pixels, and what an image will cost."""

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image
from pydantic import BaseModel, Field, field_validator

from qwen_ocr import (
    DEFAULT_PROMPT,
    ImageError,
    ImagePlan,
    PromptError,
    SchemaError,
    Task,
    TextBox,
    TruncatedError,
    family_of,
)
from qwen_ocr.families import FAMILIES, MAX_ASPECT_RATIO, Family
from qwen_ocr.schemas import closed


class Receipt(BaseModel):
    shop: str = Field(description="as printed at the top")
    total: float

    @field_validator("total")
    @classmethod
    def _positive(cls, total: float) -> float:
        if total < 0:
            raise ValueError("a total is not negative")
        return total


@pytest.mark.parametrize("task", Task)
def test_presets_are_sent(server: Any, ask: Any, png: bytes, task: Task) -> None:
    ask(server.url, png, task)
    assert server.chats[0]["messages"][0]["content"][1]["text"] == task.value


def test_default_prompt() -> None:
    assert DEFAULT_PROMPT == "Read all the text in the image."


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        (["total", "Größe"], '{"total": "", "Größe": ""}'),
        ({"total": "with tax", "items": [{"name": ""}]}, None),
        ((name for name in ["a"]), '{"a": ""}'),
    ],
)
def test_key_value(fields: Any, form: str | None) -> None:
    form = form or json.dumps(fields)
    assert Task.KEY_VALUE(fields) == f"Extract the key-value information in the format: {form}"


@pytest.mark.parametrize("fields", ["total", [], {}, {"a": object()}, [("a",)], {(1, 2): ""}])
def test_key_value_refuses(fields: Any) -> None:
    with pytest.raises(PromptError, match="KEY_VALUE"):
        Task.KEY_VALUE(fields)


def test_extract(server: Any, call: Any, png: bytes, answered: Any) -> None:
    server.answer(answered('{"shop": "Espresso Bar", "total": 12.5}'))
    receipt = call(server.url, "extract", png, Receipt, max_tokens=99)
    assert receipt == Receipt(shop="Espresso Bar", total=12.5)
    body = server.chats[0]
    assert body["response_format"]["type"] == "json_schema"
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema == Receipt.model_json_schema() | {"additionalProperties": False}
    assert body["max_completion_tokens"] == 99
    prompt = body["messages"][0]["content"][1]["text"]
    assert prompt.startswith("Extract the key-value information")
    assert "as printed at the top" in prompt
    call(server.url, "extract", png, Receipt, "Which shop?")
    assert server.chats[1]["messages"][0]["content"][1]["text"] == "Which shop?"


class Item(BaseModel):
    name: str
    properties: dict[str, int]


class Open(BaseModel, extra="allow"):
    items: list[Item]


def test_only_schemas_that_say_so_are_open() -> None:
    schema = closed(Open.model_json_schema())
    assert schema["additionalProperties"] is True
    item = schema["$defs"]["Item"]
    assert item["additionalProperties"] is False
    assert item["properties"]["properties"]["additionalProperties"] == {"type": "integer"}


@pytest.mark.parametrize(
    "text", ["", "Espresso", '{"shop": "Espresso"}', '{"shop": "E", "total": -1}', "[]", "\ud800"]
)
def test_schema_error(server: Any, call: Any, png: bytes, answered: Any, text: str) -> None:
    server.answer(answered(text.encode(errors="replace").decode()))
    with pytest.raises(SchemaError, match="form that was asked for") as caught:
        call(server.url, "extract", png, Receipt)
    assert caught.value.text == caught.value.result.text == text.encode(errors="replace").decode()


def test_cut_off_json_is_a_truncation(server: Any, call: Any, png: bytes, answered: Any) -> None:
    server.answer(answered('{"shop": "Espr', finish_reason="length"))
    with pytest.raises(TruncatedError):
        call(server.url, "extract", png, Receipt)


def spots(*boxes: list[int]) -> str:
    return json.dumps([{"bbox_2d": box, "text_content": "Espresso"} for box in boxes])


def large_scan() -> bytes:
    """4000 × 3000 pixels when upright, lying on its side in the file."""
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("L", (3000, 4000), "white").save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("model", "answer", "box"),
    [
        ("Qwen/Qwen3-VL-8B-Instruct", [100, 200, 500, 1000], (400, 600, 2000, 3000)),
        ("Qwen/Qwen2-VL-7B-Instruct", [100, 200, 500, 1000], (400, 600, 2000, 3000)),
        # It sees 1456 × 1092 pixels.
        ("Qwen/Qwen2.5-VL-7B-Instruct", [364, 546, 1456, 1092], (1000, 1500, 4000, 3000)),
        ("Qwen/Qwen3-VL-8B-Instruct", [-5, 2000, 500, 100], (0, 300, 2000, 3000)),
    ],
)
def test_locate(
    server: Any, call: Any, answered: Any, model: str, answer: list[int], box: tuple[int, ...]
) -> None:
    server.answer(answered(spots(answer)))
    boxes = call(server.url, "locate", large_scan(), client={"model": model})
    assert boxes == [TextBox("Espresso", box)]  # type: ignore[arg-type]
    body = server.chats[0]
    assert body["messages"][0]["content"][1]["text"] == Task.SPOT
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["type"] == "array"


def test_locate_in_a_small_image_that_the_processor_enlarges(
    server: Any, call: Any, png: bytes, answered: Any
) -> None:
    # 64 × 48 pixels are sent as they are, and are 56 × 56 to the model.
    server.answer(answered(spots([0, 28, 56, 56])))
    boxes = call(server.url, "locate", png, client={"model": "Qwen/Qwen2.5-VL-3B-Instruct"})
    assert boxes == [TextBox("Espresso", (0, 24, 64, 48))]


@pytest.mark.parametrize("text", ["", "no text", "{}", '[{"bbox_2d": [1, 2], "text_content": ""}]'])
def test_locate_without_boxes(server: Any, call: Any, png: bytes, answered: Any, text: str) -> None:
    server.answer(answered(text))
    with pytest.raises(SchemaError):
        call(server.url, "locate", png)


@pytest.mark.parametrize("method", ["locate", "plan"])
def test_remote_image_has_no_known_size(server: Any, call: Any, method: str) -> None:
    with pytest.raises(ImageError, match="download"):
        call(server.url, method, "https://example.com/a.png", client={"model": None})
    assert server.requests == []


def test_plan(server: Any, call: Any, png: bytes) -> None:
    assert call(server.url, "plan", large_scan()) == ImagePlan(size=(1664, 1248), tokens=2028)
    assert call(server.url, "plan", png) == ImagePlan(size=(64, 48), tokens=10 * 7)
    assert {request.path for request in server.requests} == {"/v1/models"}


def test_plan_is_what_is_sent(server: Any, call: Any, ask: Any) -> None:
    client = {"max_image_tokens": 100}
    image = Image.new("L", (1000, 700))
    plan = call(server.url, "plan", image, client=client)
    ask(server.url, image, client=client)
    url = server.chats[0]["messages"][0]["content"][0]["image_url"]["url"]
    assert Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size == plan.size


def smart_resize(family: Family, size: tuple[int, int]) -> tuple[int, int]:
    """Qwen-VL's rule, from its description: rounded, then brought within the limits."""
    width, height = size
    factor = family.factor
    columns, rows = round(width / factor), round(height / factor)
    scale = 1.0
    if columns * rows > family.max_tokens:
        scale = ((width * height) / (family.max_tokens * factor**2)) ** 0.5
        return (
            max(factor, int(width / scale / factor) * factor),
            max(factor, int(height / scale / factor) * factor),
        )
    if columns * rows < family.min_tokens:
        scale = (family.min_tokens * factor**2 / (width * height)) ** 0.5
        return (
            -int(-width * scale // factor) * factor,
            -int(-height * scale // factor) * factor,
        )
    return columns * factor, rows * factor


@pytest.mark.parametrize(
    "family",
    [family for family in FAMILIES if not family.rounds_up],
    ids=lambda family: family.name,
)
def test_resized_is_what_the_processor_does(family: Family) -> None:
    for width in (1, 7, 16, 31, 48, 100, 333, 1000, 2480, 3508):
        for height in (1, 16, 28, 45, 64, 333, 1999, 3508):
            size = family.fit((width, height))
            if max(size) <= MAX_ASPECT_RATIO * min(size):
                assert family.resized(size) == smart_resize(family, size), size


def test_resized_of_a_processor_that_rounds_up() -> None:
    family = family_of("lightonai/LightOnOCR-2-1B")
    assert family.resized((28, 29)) == (28, 56)
    assert family.fit((1600, 1600)) == (1540, 1540)
    assert family.resized((1540, 1513)) == (1540, 1540)


def test_family_of_boxes() -> None:
    assert family_of("Qwen/Qwen2.5-VL-7B-Instruct").box_range is None
    assert family_of("Qwen/Qwen2-VL-7B-Instruct").box_range == 1000
