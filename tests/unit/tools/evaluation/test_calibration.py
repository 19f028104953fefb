"""Confidence against what was right, on words whose numbers can be worked out by hand."""

import pytest

from qwen_ocr_tools.evaluation.calibration import calibrate, judged_words
from qwen_ocr_tools.evaluation.readings import Reading


def reading(*words: tuple[str, float]) -> Reading:
    return Reading(page="p", text=" ".join(word for word, _ in words), words=words)


def test_words_are_judged_along_the_alignment() -> None:
    read = reading(("the", 0.9), ("the", 0.4), ("bat", 0.5), ("sat", 0.8))
    right = judged_words("the cat sat", read)
    assert sorted(right) == [(0.4, False), (0.5, False), (0.8, True), (0.9, True)] or sorted(
        right
    ) == [(0.4, True), (0.5, False), (0.8, True), (0.9, False)]
    assert [confidence for confidence, _ in right] == [0.9, 0.4, 0.5, 0.8]


def test_words_left_out_do_not_make_the_rest_wrong() -> None:
    assert judged_words("a b c d", reading(("a", 1), ("d", 1))) == [(1, True), (1, True)]


def test_expected_calibration_error() -> None:
    # 0.5·|1 - 0.95| + 0.5·|0.5 - 0.85|
    words = [(0.95, True)] * 10 + [(0.85, True)] * 5 + [(0.85, False)] * 5
    result = calibrate(words)
    assert result is not None
    assert result.error == pytest.approx(0.5 * 0.05 + 0.5 * 0.35)
    assert [(b.words, b.accuracy) for b in result.bins] == [(10, 0.5), (10, 1.0)]
    assert (result.words, result.wrong) == (20, 5)


def test_what_a_review_of_the_least_sure_finds() -> None:
    words = [(0.1, False)] * 4 + [(0.2, True)] + [(0.9, False)] * 4 + [(0.9, True)] * 91
    result = calibrate(words)
    assert result is not None
    assert result.caught == 0.5


def test_certain_words_are_in_the_last_bin() -> None:
    result = calibrate([(1.0, True), (0.0, False)])
    assert result is not None
    assert [b.confidence for b in result.bins] == [0.0, 1.0]
    assert result.error == 0


def test_nothing_to_judge() -> None:
    assert calibrate([]) is None
    perfect = calibrate([(0.9, True)])
    assert perfect is not None
    assert perfect.caught is None
