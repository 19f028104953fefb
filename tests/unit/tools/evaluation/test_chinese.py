"""Error rates of Chinese and Japanese: characters count, and layout does not."""

import pytest

from qwen_ocr_tools.evaluation.calibration import judged_words
from qwen_ocr_tools.evaluation.diff import differences
from qwen_ocr_tools.evaluation.metrics import (
    bag_of_words,
    character_errors,
    exact_match,
    field_match,
    word_errors,
)
from qwen_ocr_tools.evaluation.readings import Reading


@pytest.mark.parametrize(
    ("truth", "read"),
    [
        ("委员会推迟了\n表决。", "委员会推迟了表决。"),
        ("委员会推迟了表决。", "委 员 会 推 迟 了 表 决 。"),
        ("使用 vLLM 部署", "使用vLLM部署"),
        ("电话：010-8888", "电话:０１０－８８８８"),
        ("ＡＢＣ公司", "ABC公司"),
        ("　第一章", "第一章"),
        ("ｶﾞｲﾄﾞ", "ガイド"),
        ("金额，共计", "金额,共计"),
        ("金额，\n共计", "金额，共计"),
        ("豈", "\uf900"),
    ],
)
def test_layout_and_width_do_not_count(truth: str, read: str) -> None:
    assert character_errors(truth, read).part == 0
    assert exact_match(truth, read).value == 1


@pytest.mark.parametrize(
    ("truth", "read", "edits", "characters"),
    [
        ("委员会推迟了表决", "委员会推迟了表次", 1, 8),
        ("国家图书馆", "國家圖書館", 4, 5),
        ("表决。", "表决.", 1, 3),
        ("24 GiB 显存", "24GiB 显存", 1, 8),
        ("他说“好”", '他说"好"', 2, 5),
        ("𠮷野家", "吉野家", 1, 3),
        ("띄어 쓰기", "띄어쓰기", 1, 5),
    ],
)
def test_characters_count(truth: str, read: str, edits: int, characters: int) -> None:
    assert character_errors(truth, read) == (edits, characters)


def test_each_character_is_a_word() -> None:
    assert word_errors("委员会推迟了表决", "委员会推迟了表次") == (1, 8)
    assert word_errors("金额，共 12 元", "金额,共12元") == (0, 5)
    words = bag_of_words("委员会", "会员")
    assert words is not None
    assert words.value == pytest.approx(4 / 5)


def test_fields_are_alike_in_any_width() -> None:
    assert field_match({"号码": "ＮＯ１２"}, {"号码": "NO12"}) == (2, 2)


def test_the_confidence_of_characters_is_judged() -> None:
    words = (("金", 0.9), ("额，", 0.8), ("共", 0.7), ("记", 0.2))
    reading = Reading(page="p", text="金额，共记", words=words)
    assert judged_words("金额，\n共计", reading) == [
        *((0.9, True), (0.8, True), (0.7, True), (0.2, False))
    ]


def test_full_width_forms_are_not_shown_as_differences() -> None:
    left, right = differences("共１２元", "共12元")
    assert [segment.state for segment in (*left, *right)] == ["same", "same"]
    assert (left[0].text, right[0].text) == ("共１２元", "共12元")
