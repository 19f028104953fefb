"""Confidence is computed as its documentation says, whatever tokens do to characters."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwen_ocr import (
    LOW_CONFIDENCE,
    WARNINGS,
    ConfigurationError,
    LowConfidenceError,
    TruncatedError,
)
from qwen_ocr.confidence import Token, mean_confidence, warnings_of, words_of

SAMPLE = Path(__file__).parents[2] / "samples" / "receipt.pdf"


def tokens(*pairs: tuple[str | bytes, float]) -> list[Token]:
    """Tokens from their text and probability."""
    return [
        Token(data.encode() if isinstance(data, str) else data, math.log(probability))
        for data, probability in pairs
    ]


E_ACUTE, GRIN = "é".encode(), "😀".encode()
CASES: dict[str, tuple[str, list[Token], list[tuple[str, float]]]] = {
    "one token a word": (
        "Total 5",
        tokens(("Total", 0.9), (" 5", 0.8)),
        [("Total", 0.9), ("5", 0.8)],
    ),
    "several tokens a word": (
        "12.50",
        tokens(("12", 0.5), (".", 1), ("50", 0.5)),
        [("12.50", 0.25)],
    ),
    "white space counts for no word": (
        "a \n b",
        tokens(("a", 0.9), (" \n", 0.1), (" ", 0.1), ("b", 0.8)),
        [("a", 0.9), ("b", 0.8)],
    ),
    "one token for two words": (
        "in the end",
        tokens(("in the", 0.5), (" e", 0.5), ("nd", 1)),
        [("in", 0.5), ("the", 0.5), ("end", 0.5)],
    ),
    "character split, bytes to each": (
        "caf" + "é",
        tokens(("caf", 1), (E_ACUTE[:1], 0.5), (E_ACUTE[1:], 0.5)),
        [("café", 0.25)],
    ),
    "character split, all to the last": (
        "x 😀",
        tokens(("x ", 0.9), ("", 0.5), ("", 0.5), (GRIN, 1), ("", 0.1)),
        [("x", 0.9), ("😀", 0.25)],
    ),
    "end marker after the text": (
        "ok",
        tokens(("ok", 0.9), ("<|im_end|>", 0.1)),
        [("ok", 0.9)],
    ),
    "wide space": ("a\u3000b", tokens(("a\u3000", 0.5), ("b", 0.4)), [("a", 0.5), ("b", 0.4)]),
    "only white space": (" \n", tokens((" \n", 0.5)), []),
    "nothing": ("", tokens(("<|im_end|>", 0.5)), []),
    "tokens of another text": ("abc", tokens(("xyz", 0.5)), []),
    "fewer tokens than text": ("abc def", tokens(("abc", 0.5)), []),
    "Chinese": (
        "合計「五」元。 12",
        tokens(("合計", 0.9), ("「五", 0.5), ("」元", 0.8), ("。", 1), (" 12", 0.7)),
        [("合", 0.9), ("計", 0.9), ("「五」", 0.4), ("元。", 0.8), ("12", 0.7)],
    ),
    "Japanese and Latin": (
        "メールQwen3で",
        tokens(("メー", 0.9), ("ル", 0.5), ("Qwen3", 0.8), ("で", 0.6)),
        [("メー", 0.9), ("ル", 0.5), ("Qwen3", 0.8), ("で", 0.6)],
    ),
    "an undecodable byte, nothing for it": (
        "x a\ufffdb  y",
        tokens(("x ", 0.9), ("a", 0.5), ("", 0.5), ("b", 0.8), ("  y", 0.7)),
        [("x", 0.9), ("a\ufffdb", 0.2), ("y", 0.7)],
    ),
    "an undecodable byte, as it is": (
        "x a\ufffdb y",
        tokens(("x ", 0.9), ("a", 0.5), (b"\xe6", 0.5), ("b", 0.8), (" y", 0.7)),
        [("x", 0.9), ("a\ufffdb", 0.2), ("y", 0.7)],
    ),
    "nothing of a word could be decoded": (
        " ".join([*"abcdefghij", "\ufffd", "k"]),
        tokens(*((f"{letter} ", 0.9) for letter in "abcdefghij"), (b"\xe6", 0.1), (" k", 0.5)),
        [*((letter, 0.9) for letter in "abcdefghij"), ("k", 0.5)],
    ),
    "reasoning before the text": (
        "Total 5",
        tokens(("Total? </think>", 0.1), ("Total", 0.9), (" 5", 0.8)),
        [("Total", 0.9), ("5", 0.8)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_words(name: str) -> None:
    text, written, expected = CASES[name]
    words = words_of(text, written)
    assert [word.text for word in words] == [word for word, _ in expected]
    assert [word.confidence for word in words] == pytest.approx([c for _, c in expected])


def test_mean() -> None:
    words = words_of("a b", tokens(("a", 1), (" b", 0.5)))
    assert mean_confidence(words) == pytest.approx(0.75)
    assert mean_confidence([]) is None


def test_rounding_does_not_leave_the_range() -> None:
    assert words_of("a", [Token(b"a", 1e-9)])[0].confidence == 1.0
    assert words_of("a", [Token(b"a", -9999.0)])[0].confidence == 0.0


CONTENT = [
    {"token": "TOTAL", "logprob": math.log(0.5), "bytes": list(b"TOTAL")},
    {"token": " 12.50", "logprob": math.log(0.25), "bytes": None},
]


@pytest.fixture
def unsure(server: Any, answered: Any) -> Callable[[str], None]:
    """An answer of which the model was not sure; called with another reason why it ended."""

    def answer(finish_reason: str = "stop") -> None:
        choice = {
            "message": {"content": "TOTAL 12.50"},
            "finish_reason": finish_reason,
            "logprobs": {"content": CONTENT},
        }
        server.answer(answered(choices=[choice]))

    answer()
    return answer


def test_asked_for(server: Any, ask: Any, png: bytes, unsure: Any) -> None:
    result = ask(server.url, png, confidence=True)
    assert server.chats[0]["logprobs"] is True
    assert [(w.text, w.confidence) for w in result.words] == [
        ("TOTAL", pytest.approx(0.5)),
        ("12.50", pytest.approx(0.25)),
    ]
    assert result.confidence == pytest.approx(0.375)


def test_streamed(server: Any, call: Any, png: bytes, streamed: Any) -> None:
    chunks = [
        {"choices": [{"delta": {"content": t["token"]}, "logprobs": {"content": [t]}}]}
        for t in CONTENT
    ]
    server.answer(streamed(*chunks), content_type="text/event-stream")
    _, result = call(server.url, "stream", png, confidence=True)
    assert result.confidence == pytest.approx(0.375)


def test_words_that_were_not_asked_for(server: Any, ask: Any, png: bytes, unsure: Any) -> None:
    result = ask(server.url, png)
    assert server.chats[0]["logprobs"] is True
    assert result.words == ()
    assert result.confidence == pytest.approx(0.375)
    assert result.warnings == ("low_confidence",)


def test_a_server_without_logprobs(server: Any, ask: Any, png: bytes) -> None:
    result = ask(server.url, png)
    assert (result.text, result.confidence, result.warnings) == ("TOTAL 12.50", None, ())


@pytest.mark.parametrize(
    ("text", "confidence", "warnings"),
    [
        ("a", 1.0, ()),
        ("a", LOW_CONFIDENCE, ()),
        ("a", LOW_CONFIDENCE - 1e-9, ("low_confidence",)),
        ("a", 0.0, ("low_confidence",)),
        ("a", None, ()),
        ("", None, ("no_text",)),
        (" \n\u3000", None, ("no_text",)),
    ],
)
def test_warnings(text: str, confidence: float | None, warnings: tuple[str, ...]) -> None:
    assert warnings_of(text, confidence) == warnings
    assert set(warnings) <= set(WARNINGS)


def test_every_way_of_reading_has_warnings(
    server: Any, call: Any, png: bytes, unsure: Any, streamed: Any
) -> None:
    (outcome,) = call(server.url, "ocr_many", [png])
    assert outcome.result.warnings == ("low_confidence",)
    chunks = [
        {"choices": [{"delta": {"content": t["token"]}, "logprobs": {"content": [t]}}]}
        for t in CONTENT
    ]
    server.answer(streamed(*chunks), content_type="text/event-stream")
    _, result = call(server.url, "stream", png)
    assert (result.words, result.warnings) == ((), ("low_confidence",))


def test_min_confidence(server: Any, ask: Any, call: Any, png: bytes, unsure: Any) -> None:
    assert ask(server.url, png, min_confidence=0.37).text == "TOTAL 12.50"
    with pytest.raises(LowConfidenceError, match=r"confidence 0\.38, 0\.4 was asked") as caught:
        ask(server.url, png, min_confidence=0.4)
    assert caught.value.partial.text == "TOTAL 12.50"
    (outcome,) = call(server.url, "ocr_many", [png], min_confidence=0.4)
    assert isinstance(outcome.error, LowConfidenceError)


def test_min_confidence_of_what_has_none(server: Any, ask: Any, png: bytes, answered: Any) -> None:
    with pytest.raises(LowConfidenceError, match="sent no log-probabilities"):
        ask(server.url, png, min_confidence=0.1)
    server.answer(answered(""))
    with pytest.raises(LowConfidenceError, match="no text was found"):
        ask(server.url, png, min_confidence=0.0)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.5"])
def test_min_confidence_is_a_share(server: Any, ask: Any, png: bytes, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="min_confidence"):
        ask(server.url, png, min_confidence=value)
    assert server.requests == []


def test_cut_off_and_unsure_is_not_told_to_read_on(
    server: Any, ask: Any, png: bytes, unsure: Any
) -> None:
    unsure("length")
    with pytest.raises(TruncatedError, match="probably not text that it can read") as caught:
        ask(server.url, png)
    assert "max_tokens" not in str(caught.value)
