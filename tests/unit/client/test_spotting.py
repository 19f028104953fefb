"""Answers to the spotting prompt, as they were published and as models are likely to write them."""

import json

import pytest

from qwen_ocr.boxes import Spot, pixels_of, read_box, read_spots, spot_schema, to_pixels
from qwen_ocr.loose_json import read_json

ONE = '{"bbox_2d": [10, 20, 300, 40], "text_content": "Total 5"}'
LIKELY = {
    "as asked": '[{"bbox_2d": [10, 20, 300, 40], "text_content": "Total 5"}]',
    "fenced": '```json\n[\n\t{"bbox_2d": [10, 20, 300, 40], "text_content": "Total 5"}\n]\n```',
    "fenced and cut off": f'```json\n[\n{ONE},\n{{"b',
    "words around it": f"Here it is: [{ONE}]. Done.",
    "single quotes": "[{'bbox_2d': [10, 20, 300, 40], 'text_content': 'Total 5'}]",
    "trailing comma": '[{"bbox_2d": [10, 20, 300, 40,], "text_content": "Total 5",},]',
    "cut off in a box": f'[{ONE}, {{"bbox_2d": [1',
    "cut off in a text": f'[{ONE}, {{"bbox_2d": [1, 2, 3, 4], "text',
    "cut off after a comma": '[{"bbox_2d": [10, 20, 300, 40], "text_content": "Total 5"},',
    "text": '[{"bbox_2d": [10, 20, 300, 40], "text": "Total 5"}]',
    "label": '[{"bbox_2d": [10, 20, 300, 40], "label": "Total 5"}]',
    "floats": '[{"bbox_2d": [10.2, 20.0, 300.4, 40.1], "text_content": "Total 5"}]',
    "eight numbers": '[{"bbox_2d": [10,20,300,20,300,40,10,40], "text_content": "Total 5"}]',
    "corners": '[{"bbox_2d": [[10,20],[300,20],[300,40],[10,40]], "text_content": "Total 5"}]',
    "two corners": '[{"bbox_2d": [[10, 20], [300, 40]], "text_content": "Total 5"}]',
    "a box as text": '[{"bbox_2d": "10, 20, 300, 40", "text_content": "Total 5"}]',
    "one object": '{"bbox_2d": [10, 20, 300, 40], "text_content": "Total 5"}',
    "a list in an object": '{"lines": [{"bbox_2d": [10, 20, 300, 40], "text_content": "Total 5"}]}',
    "leading zeros": '[{"bbox_2d": [010, 0020, 300, 040], "text_content": "Total 5"}]',
    "crossed": '[{"bbox_2d": [300, 40, 10, 20], "text_content": "Total 5"}]',
    "one more that is broken": f'[{ONE}, {{"bbox_2d": [1, 2]}}]',
}


@pytest.mark.parametrize("name", LIKELY)
def test_what_models_are_likely_to_write(name: str) -> None:
    (spot,) = read_spots(LIKELY[name])
    assert spot.text == "Total 5"
    assert tuple(map(round, spot.box)) == (10, 20, 300, 40)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('"He said "yes" twice"', 'He said "yes" twice'),
        ("'it's here'", "it's here"),
        ('"C:\\\\dir\\n\\u00e9 \\"x\\""', 'C:\\dir\né "x"'),
        ("'漢字 [1] {2}'", "漢字 [1] {2}"),
    ],
)
def test_texts_with_signs_of_json(content: str, text: str) -> None:
    # The comma makes it no JSON, so that it is read as what is nearly JSON.
    (spot,) = read_spots(f'[{{"bbox_2d": [1, 2, 3, 4], "text_content": {content}}},]')
    assert spot.text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no boxes here",
        "{}",
        "[1, 2]",
        '[{"bbox_2d": [1, 2], "text_content": "x"}]',
        '[{"bbox_2d": [1, 2, 3], "text_content": "x"}]',
        '[{"text_content": "x"}]',
        '[{"bbox_2d": [1, 2, 3, 4]}]',
        "[" * 5000,
        "[;]",
    ],
)
def test_no_boxes(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|boxes"):
        read_spots(text)


def test_a_page_without_text() -> None:
    assert read_spots("[]") == []
    assert read_spots("```json\n[]\n```") == []


# Quoted in several public repositories as Qwen2.5-VL's own example of boxes, which are in pixels.
PUBLISHED = """```json
[
    {"bbox_2d": [341, 258, 397, 360], "label": "motorcyclist", "sub_label": "not wearing helmet"},
    {"bbox_2d": [212, 332, 274, 448], "label": "motorcyclist", "sub_label": "wearing helmet"}
]
```"""


def test_published_boxes_of_qwen25_vl() -> None:
    assert read_spots(PUBLISHED) == [
        Spot("motorcyclist", (341, 258, 397, 360)),
        Spot("motorcyclist", (212, 332, 274, 448)),
    ]


@pytest.mark.parametrize(
    ("value", "box"),
    [
        ([1, 2, 3, 4], (1, 2, 3, 4)),
        ("[1.5, 2, 3, 4]", (1.5, 2, 3, 4)),
        ([[[1, 2], [3, 4]]], (1, 2, 3, 4)),
        ([1, 2, 3], None),
        ([1, 2, 3, 4, 5], None),
        ([True, 2, 3, 4], None),
        (None, None),
        ({"x": 1}, None),
        (list(range(1000)), None),
    ],
)
def test_boxes(value: object, box: object) -> None:
    assert read_box(value) == box


def test_pixels() -> None:
    assert pixels_of((-5, 2000, 500, 100), (4000, 3000), 1000) == (0, 3000, 2000, 300)
    (box,) = to_pixels([Spot("a", (364, 546, 1456, 1092))], (4000, 3000), (1456, 1092))
    assert box.box == (1000, 1500, 4000, 3000)


@pytest.mark.parametrize("box_range", [1000, None])
def test_everything_in_the_schema_has_an_end(box_range: int | None) -> None:
    schema = spot_schema(box_range)
    item = schema["items"]
    assert item["additionalProperties"] is False
    assert item["properties"]["bbox_2d"]["items"]["maximum"] == box_range or 99_999
    assert schema["maxItems"] > 600
    assert item["properties"]["text_content"]["maxLength"]
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "b": [1, 2', {"a": 1, "b": [1]}),
        ("{'a': True, 'b': None, 'c': false, }", {"a": True, "b": None, "c": False}),
        ("[1 2, 3]", [1, 2, 3]),
        ("[1.50, -2e3, 007,]", [1.5, -2000.0, 7]),
        ('{"a": "cut o', {}),
        ("[[1, 2], [3", [[1, 2]]),
    ],
)
def test_what_is_nearly_json(text: str, value: object) -> None:
    assert read_json(text) == value
