"""Grammars are compiled in a process of their own first, within limits."""

import json
import time

import pytest

from qwen_ocr_serve.api.grammars import GrammarChecker
from qwen_ocr_serve.http.errors import APIError


@pytest.mark.parametrize(
    "structured",
    [
        {"regex": r"\d{4}-\d{2}-\d{2}"},
        {"choice": ["paid", "open"]},
        {"grammar": 'start: "a" | "b"'},
        {"grammar": 'root ::= "a" | "b"'},
        {"json": {"type": "object"}},
        None,
    ],
)
async def test_a_harmless_one(structured: dict[str, object] | None) -> None:
    checker = GrammarChecker()
    await checker.check(structured)
    began = time.perf_counter()
    await checker.check(structured)
    assert time.perf_counter() - began < 0.02  # it is remembered: no process starts this quickly


@pytest.mark.parametrize(
    ("structured", "code"),
    [
        ({"regex": "(["}, "invalid_grammar"),
        ({"grammar": "start: nothing"}, "invalid_grammar"),
        # Its compiler has limits of its own, and ends its process at the others.
        ({"grammar": "start: r0\n" + "\n".join(f"r{i}: r{i + 1}" for i in range(5000))}, None),
        ({"regex": "|".join(f"abc{i}" for i in range(200_000))}, None),
        ({"choice": [f"value {i}" for i in range(100_000)]}, None),
    ],
    ids=["regex", "grammar", "chain", "alternatives", "choices"],
)
async def test_one_that_is_refused(structured: dict[str, object], code: str | None) -> None:
    with pytest.raises(APIError) as caught:
        await GrammarChecker().check(structured)
    assert caught.value.status == 400
    assert caught.value.code in ([code] if code else ["invalid_grammar", "request_too_complex"])
    assert len(json.dumps(caught.value.message)) < 1000
