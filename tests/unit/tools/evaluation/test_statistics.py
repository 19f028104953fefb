"""Intervals that cover what they claim, and tests that find differences where there are any."""

import numpy as np
import pytest

from qwen_ocr_tools.evaluation.metrics import Ratio
from qwen_ocr_tools.evaluation.statistics import LEVEL, compare, score


def test_micro_and_macro() -> None:
    result = score([Ratio(1, 100), Ratio(5, 10)])
    assert result.micro == pytest.approx(6 / 110)
    assert result.macro == pytest.approx((0.01 + 0.5) / 2)
    assert (result.pages, result.whole) == (2, 110)
    assert result.low == pytest.approx(0.01)
    assert result.high == pytest.approx(0.5)


def test_one_page_has_no_interval_to_speak_of() -> None:
    assert score([Ratio(3, 30)]).low == score([Ratio(3, 30)]).high == pytest.approx(0.1)


def test_blank_pages_alone() -> None:
    result = score([Ratio(0, 0), Ratio(4, 0)])
    assert (result.micro, result.macro) == (1, 0.5)
    assert 0 <= result.low <= result.high <= 1


def test_the_interval_is_of_the_average_that_is_quoted() -> None:
    pages = [Ratio(0, 1000), *[Ratio(1, 1)] * 9]
    micro, macro = score(pages), score(pages, "macro")
    assert micro.low <= micro.micro <= micro.high
    assert macro.low <= macro.macro <= macro.high
    assert micro.macro > micro.high or macro.low > micro.micro


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        pages = [Ratio(float(rng.binomial(200, 0.05)), 200) for _ in range(60)]
        result = score(pages)
        covered += result.low <= 0.05 <= result.high
    assert covered / 200 == pytest.approx(LEVEL, abs=0.05)


def test_the_same_readings_give_the_same_numbers() -> None:
    pages = [Ratio(i % 5, 50) for i in range(40)]
    assert score(pages) == score(pages)


def runs(difference: float, seed: int = 0, pages: int = 100) -> tuple[list[Ratio], list[Ratio]]:
    rng = np.random.default_rng(seed)
    first, second = [], []
    for _ in range(pages):
        hard = rng.gamma(2, 5)  # pages that are hard for one are hard for the other
        first.append(Ratio(float(rng.poisson(hard)), 200))
        second.append(Ratio(float(rng.poisson(hard + difference)), 200))
    return first, second


def test_a_difference_is_found() -> None:
    first, second = runs(3)
    result = compare("a", first, "b", second)
    assert result.real
    assert result.difference == pytest.approx(result.first_cer - result.second_cer)
    assert result.low <= result.difference <= result.high < 0


def test_the_same_run_is_no_difference() -> None:
    first, _ = runs(0)
    result = compare("a", first, "b", first)
    assert (result.difference, result.p, result.real) == (0, 1, False)


def test_chance_is_rarely_taken_for_a_difference() -> None:
    found = sum(compare("a", *_named(runs(0, seed, 40))).real for seed in range(100))
    assert found <= 12  # 5 expected; 12 or more happen once in 200 times


def _named(pair: tuple[list[Ratio], list[Ratio]]) -> tuple[list[Ratio], str, list[Ratio]]:
    return pair[0], "b", pair[1]


def test_p_is_exact_on_a_case_that_can_be_counted() -> None:
    # Of the 2⁴ ways to swap, two give a sum as large: all one way, and all the other.
    result = compare("a", [Ratio(2, 10)] * 4, "b", [Ratio(1, 10)] * 4)
    assert result.p == pytest.approx(2 / 16, abs=0.02)
