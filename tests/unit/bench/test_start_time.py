"""The comparison of two kinds of starts, with starts whose times are known."""

import pytest
import start_time


def test_pairs_alternate_and_their_ratios_count(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def start(side: str) -> tuple[float, float]:
        order.append(side)
        seconds = 8.0 if side == start_time.FORKED else 16.0
        return seconds * len(order), seconds

    monkeypatch.setattr(start_time, "start", start)
    found = start_time.measure(2)
    forked, new = start_time.FORKED, start_time.NEW
    assert order == [forked, new, forked, new, new, forked]
    assert found == {forked: [(24, 8), (48, 8)], new: [(64, 16), (80, 16)]}
    wall, processor = start_time.rows(found)
    assert wall == ("seconds until the first answer", 36, 72, "x 0.49 ± 0.11")
    assert processor == ("processor seconds", 8, 16, "x 0.50 ± 0.00")
