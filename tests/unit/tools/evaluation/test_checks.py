"""The tests of olmOCR-bench that are computed here."""

from typing import Any

import pytest
from pydantic import ValidationError

from qwen_ocr_tools.evaluation.checks import near_matches, parse_check

PAGE = "# **Annual** Report\n\nThe ferry leaves at six – “sharp”.\n\nTickets cost $4.\n\n3"


@pytest.mark.parametrize(
    ("test", "passes"),
    [
        ({"type": "present", "text": 'The ferry leaves at six - "sharp".'}, True),
        ({"type": "present", "text": "Annual Report"}, True),
        ({"type": "present", "text": "annual report"}, False),
        ({"type": "present", "text": "annual report", "case_sensitive": False}, True),
        ({"type": "present", "text": "The ferry leaves at sir"}, False),
        ({"type": "present", "text": "The ferry leaves at sir", "max_diffs": 1}, True),
        ({"type": "absent", "text": "3", "last_n": 5}, False),
        ({"type": "absent", "text": "3", "first_n": 20}, True),
        ({"type": "absent", "text": "bus"}, True),
        ({"type": "order", "before": "ferry", "after": "Tickets"}, True),
        ({"type": "order", "before": "Tickets", "after": "ferry"}, False),
        ({"type": "order", "before": "fery", "after": "Tickets", "max_diffs": 1}, True),
        ({"type": "order", "before": "bus", "after": "Tickets"}, False),
        ({"type": "baseline"}, True),
        ({"type": "baseline", "max_length": 10}, False),
    ],
)
def test_checks(test: dict[str, Any], passes: bool) -> None:
    assert parse_check(test).passes(PAGE) is passes


def test_an_empty_reading() -> None:
    assert not parse_check({"type": "present", "text": "two words"}).passes("\n")
    assert parse_check({"type": "absent", "text": "two words"}).passes("\n")
    assert not parse_check({"type": "baseline"}).passes(" \n")
    assert parse_check({"type": "baseline", "max_length": 0}).passes("")


def test_an_endless_reading_fails_the_baseline() -> None:
    sentence = "It goes on and on and on, and then on again and again. "
    assert not parse_check({"type": "baseline"}).passes(sentence * 150)


@pytest.mark.parametrize("test", [{"type": "math"}, {"type": "present", "text": ""}, {}])
def test_what_is_no_check(test: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        parse_check(test)


def test_near_matches() -> None:
    assert near_matches("abc", "xxabcxxabc", 0) == [7, 2]
    assert 2 in near_matches("abc", "xxabdxx", 1)
    assert near_matches("abc", "xxxx", 1) == []
