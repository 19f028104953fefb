"""Answers to the spotting prompt, as they were published and as models are likely to write them."""

import json

import pytest

from qwen_ocr.boxes import Spot, pixels_of, read_box, read_spots, spot_schema, to_pixels
from qwen_ocr.families import family_of
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


# QwenLM/Qwen3-VL, cookbooks/ocr.ipynb of January 2025: Qwen2.5-VL's answers about two receipts, to
# the prompt of `Task.SPOT`. The first is whole, of the second some of its 39 lines.
QWEN2_5_VL = (
    """```json
[
    {"bbox_2d": [109, 175, 556, 240], "text_content": "AuntieAnne's"},
    {"bbox_2d": [48, 430, 252, 451], "text_content": "CINNAMON SUGAR"},
    {"bbox_2d": [48, 462, 65, 484], "text_content": "1"},
    {"bbox_2d": [100, 462, 115, 484], "text_content": "x"},
    {"bbox_2d": [131, 462, 198, 484], "text_content": "17,000"},
    {"bbox_2d": [461, 462, 534, 489], "text_content": "17,000"},
    {"bbox_2d": [21, 511, 143, 532], "text_content": "SUB TOTAL"},
    {"bbox_2d": [461, 515, 534, 539], "text_content": "17,000"},
    {"bbox_2d": [21, 580, 177, 601], "text_content": "GRAND TOTAL"},
    {"bbox_2d": [461, 585, 534, 610], "text_content": "17,000"},
    {"bbox_2d": [21, 629, 134, 650], "text_content": "CASH IDR"},
    {"bbox_2d": [461, 634, 534, 659], "text_content": "20,000"},
    {"bbox_2d": [21, 677, 170, 698], "text_content": "CHANGE DUE"},
    {"bbox_2d": [472, 682, 530, 705], "text_content": "3,000"},
]
```""",
    """```json
[
    {
        "bbox_2d": [125, 169, 754, 208], "text_content": "UNIHAKKA INTERNATIONAL SDN BHD",
    },
    {
        "bbox_2d": [231, 324, 638, 358], "text_content": "Tampoi,81200 Johor Bahru,Johor",
    },
    {
        "bbox_2d": [92, 398, 473, 426], "text_content": "Invoice #: OR18060102160261",
    },
    {
        "bbox_2d": [526, 758, 767, 782], "text_content": "GST @0%: RM0.00",
    },
    {
        "bbox_2d": [532, 836, 767, 860], "text_content": "Nett Total: RM8.75",
    },
]
```""",
)
# The same, cookbooks/omni_recognition.ipynb of 2025: a part of Qwen3-VL-235B-A22B's answer about
# people in a picture. One object is opened twice.
QWEN3_VL = """```json
[
	{
		"bbox_2d": [431, 84, 565, 401],
		"names": {
			"zh": "甘露寺蜜璃",
			"en": "Mitsuri Kanroji"
		}
	},
	{
	{"bbox_2d": [649, 116, 794, 643],
		"names": {
			"zh": "伊黑小芭内",
			"en": "Obanai Iguro"
		}
	},
	{
		"bbox_2d": [590, 444, 999, 999],
		"names": {
			"zh": "宇髓天元",
			"en": "Tengen Uzui"
		}
	}
]
```"""


def test_published_answers_of_qwen25_vl() -> None:
    first, second = map(read_spots, QWEN2_5_VL)
    assert len(first) == 14
    assert first[0] == Spot("AuntieAnne's", (109, 175, 556, 240))
    assert first[-1] == Spot("3,000", (472, 682, 530, 705))
    assert [spot.text[:7] for spot in second] == [
        "UNIHAKK",
        "Tampoi,",
        "Invoice",
        "GST @0%",
        "Nett To",
    ]


def test_published_boxes_of_qwen25_vl_are_pixels_of_what_it_saw() -> None:
    # A receipt of 576 x 864 pixels; the notebook prints what the model saw: 588 x 868.
    family = family_of("Qwen/Qwen2.5-VL-72B-Instruct")
    assert family.resized((576, 864)) == (588, 868)
    *_, last = to_pixels(read_spots(QWEN2_5_VL[0]), (576, 864), (588, 868))
    assert last.box == (462, 679, 519, 702)


def test_published_boxes_of_qwen3_vl() -> None:
    found = read_json(QWEN3_VL)
    assert [item["names"]["en"] for item in found] == [
        "Mitsuri Kanroji",
        "Obanai Iguro",
        "Tengen Uzui",
    ]
    boxes = [read_box(item["bbox_2d"]) for item in found]
    assert boxes == [(431, 84, 565, 401), (649, 116, 794, 643), (590, 444, 999, 999)]


@pytest.mark.parametrize("text", ['[{{"a": 1}}, {"a": 2}]', '[{"a": 1}}, {"a": 2},]'])
def test_objects_that_are_opened_or_closed_twice(text: str) -> None:
    assert read_json(text) == [{"a": 1}, {"a": 2}]


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
