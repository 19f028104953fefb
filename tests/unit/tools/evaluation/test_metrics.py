"""Metrics against values worked out by hand, their own definitions, and another implementation."""

import random
import string

import jiwer
import pytest

from qwen_ocr_tools.evaluation.metrics import (
    Ratio,
    bag_of_words,
    box_recall,
    character_errors,
    exact_match,
    field_match,
    iou,
    normalized_edits,
    word_errors,
)
from qwen_ocr_tools.evaluation.text import fold, without_case, without_punctuation, without_space


@pytest.mark.parametrize(
    ("truth", "read", "edits", "length"),
    [
        ("kitten", "sitting", 3, 6),  # Levenshtein's textbook pair
        ("Total 12.50", "Total 12.50", 0, 11),
        ("Total  12.50\n", "Total\n12.50", 0, 11),  # white space is folded
        ("café", "cafe\u0301", 0, 4),  # composed or not, it looks the same
        ("ab", "", 2, 2),
        ("", "ab", 2, 0),
        ("a", "abcdef", 5, 1),  # over 1
    ],
)
def test_character_errors(truth: str, read: str, edits: int, length: int) -> None:
    assert character_errors(truth, read) == (edits, length)


@pytest.mark.parametrize(
    ("truth", "read", "edits", "words"),
    [
        ("the cat sat", "the cat sat", 0, 3),
        ("the cat sat", "the bat sat down", 2, 3),
        ("the cat sat", "thecat sat", 2, 3),  # a lost space is two words wrong
        ("", "x", 1, 0),
    ],
)
def test_word_errors(truth: str, read: str, edits: int, words: int) -> None:
    assert word_errors(truth, read) == (edits, words)


def test_error_rates_agree_with_another_implementation() -> None:
    rng = random.Random(0)

    def text() -> str:
        words = [
            "".join(rng.choices("abcde", k=rng.randint(1, 6))) for _ in range(rng.randint(1, 9))
        ]
        return " ".join(words)

    pairs = [(text(), text()) for _ in range(200)]
    for truth, read in pairs:
        assert character_errors(truth, read).value == pytest.approx(jiwer.cer(truth, read))
        assert word_errors(truth, read).value == pytest.approx(jiwer.wer(truth, read))
    # Over many pages theirs is the micro average.
    truths, reads = zip(*pairs, strict=True)
    ratios = [character_errors(*pair) for pair in pairs]
    micro = sum(r.part for r in ratios) / sum(r.whole for r in ratios)
    assert micro == pytest.approx(jiwer.cer(list(truths), list(reads)))


def test_the_normal_forms_differ_in_what_they_forgive() -> None:
    truth, read = "Dr. No – 7 Days", "dr no – 7days"
    assert fold(truth) == truth
    assert character_errors(truth, read).part == 5
    assert character_errors(truth, read, without_case).part == 2
    assert character_errors(truth, read, without_punctuation).part == 4
    assert character_errors(truth, read, without_space).part == 4
    assert without_punctuation("“a”, b – c!") == "a b c"
    assert without_case("STRASSE") == without_case("straße")


def test_nothing_to_read() -> None:
    assert Ratio(0, 0).value == 0
    assert Ratio(7, 0).value == 1
    assert normalized_edits("", "") == (0, 0)
    assert normalized_edits("", "noise").value == 1


def test_normalized_edits_stay_within_one() -> None:
    assert normalized_edits("a", "abcd").value == 0.75
    assert normalized_edits("abcd", "abcd").value == 0


def test_exact_match() -> None:
    assert exact_match("a\nb", "a b") == (1, 1)
    assert exact_match("a b", "a B") == (0, 1)


def test_bag_of_words_does_not_mind_the_order() -> None:
    two_columns = ("left one left two right one", "left one right one left two")
    assert character_errors(*two_columns).value > 0.3
    assert bag_of_words(*two_columns) == (12, 12)
    assert bag_of_words("a a b", "a c") == (2, 5)  # one `a` in common: F1 = 2·1 ÷ (3 + 2)
    assert bag_of_words("", "") is None


def test_field_match() -> None:
    truth = {"total": 60.36, "seller": {"name": "Café  Nord"}, "items": ["tea", "milk"]}
    assert field_match(truth, truth) == (8, 8)
    read = {"total": "60.36", "seller": {"name": "Cafe\u0301 Nord"}, "items": ["milk", "bread"]}
    assert field_match(truth, read) == (6, 8)
    assert field_match(truth, {"total": "60.36", "items": None, "seller": {"name": ""}}) == (2, 5)
    assert field_match(truth, None) == (0, 4)
    assert field_match({"total": None}, {}) is None


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
    ],
)
def test_iou(a: tuple[int, int, int, int], b: tuple[int, int, int, int], expected: float) -> None:
    assert iou(a, b) == pytest.approx(expected)


def test_box_recall_uses_each_box_once() -> None:
    line = (0, 0, 100, 10)
    assert box_recall([line, line], [line]) == (1, 2)
    assert box_recall([line], [(0, 0, 100, 20)]) == (1, 1)  # IoU 0.5 is enough
    assert box_recall([line], [(0, 0, 100, 21)]) == (0, 1)
    assert box_recall([line], []) == (0, 1)


def test_properties_on_random_text() -> None:
    rng = random.Random(1)
    for _ in range(200):
        a, b = ("".join(rng.choices(string.printable + "éß–", k=rng.randint(0, 40))) for _ in "ab")
        assert character_errors(a, a).part == 0
        assert character_errors(a, b).part == character_errors(b, a).part
        assert 0 <= normalized_edits(a, b).value <= 1
        for form in (without_case, without_punctuation, without_space):
            assert form(form(a)) == form(a)
