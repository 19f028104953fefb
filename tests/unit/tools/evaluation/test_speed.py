"""Pages per second, latency and cost, of runs that were interrupted, too."""

import pytest

from qwen_ocr_tools.evaluation.readings import Reading
from qwen_ocr_tools.evaluation.speed import measure_speed


def reading(session: str, at: float, **values: object) -> Reading:
    return Reading.model_validate({"page": f"{session}{at}", "session": session, "at": at} | values)


def test_time_between_sessions_does_not_count() -> None:
    monday = [reading("2026-01-05T09:00", at / 10) for at in range(1, 41)]  # 40 pages in 4 s
    friday = [reading("2026-01-09T09:00", at / 10) for at in range(1, 11)]  # 10 pages in 1 s
    speed = measure_speed([*monday, *friday], price_per_hour=3.6)
    assert speed is not None
    assert speed.pages_per_second == pytest.approx(10)
    assert speed.cost_per_million_pages == pytest.approx(100)  # 0.001 a second, 0.0001 a page


def test_latency_and_tokens() -> None:
    readings = [
        reading("s", i, latency=i, prompt_tokens=100, completion_tokens=i) for i in range(101)
    ]
    speed = measure_speed([*readings, reading("s", 500, error="no")], price_per_hour=None)
    assert speed is not None
    assert speed.latency == pytest.approx((50, 95, 99))
    assert (speed.prompt_tokens, speed.completion_tokens) == (100, 50)
    assert speed.cost_per_million_pages is None
    assert speed.pages_per_second == pytest.approx(1.01)


def test_engines_without_tokens() -> None:
    speed = measure_speed([reading("s", 1)], None)
    assert speed is not None
    assert speed.prompt_tokens is None


def test_nothing_was_read() -> None:
    assert measure_speed([reading("s", 1, error="no")], None) is None
