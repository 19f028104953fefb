"""Loops are told from pages that repeat themselves, and read again less greedily."""

import re
import time
from typing import Any

import pytest

from qwen_ocr import OCRClient, RepetitionError, TruncatedError
from qwen_ocr.repetition import SERVER_DETECTION, ends_in_loop

CONTENTS = "\n".join(
    f"{number}. {title} {'.' * (70 - len(title))} {number * 7}"
    for number, title in enumerate(["Introduction", "Methods", "Results", "Discussion"] * 10, 1)
)
RULED = "\n".join(["Notes:", *["_" * 90] * 60])
ZEROS = "\n".join([" ".join(["0.00"] * 12)] * 66)
LEDGER = "<table>" + f"<tr>{'<td>0</td>' * 15}</tr>\n" * 88 + "</table>"

PAGES = {
    "table of contents with dot leaders": CONTENTS,
    "spaced dot leaders": CONTENTS.replace(".", ". "),
    "ruled form": RULED,
    "rule over several lines without a break": "_" * 900,
    "table of zeros": ZEROS,
    "single digits": "0\n" * 480,
    "a sheet of zeros in HTML": LEDGER,
    "the same table, cut before its end": LEDGER.removesuffix("</table>"),
    "Markdown table with no values": "|  " * 20 + "|\n" + ("| - " * 20 + "|\n") * 60,
    "check boxes": "☐ yes ☐ no\n" * 60,
    "a line printer's page of stars": ("*" * 132 + "\n") * 88,
    "punishment": "I will not talk in class.\n" * 80,
    "binary": "0110 " * 60,
    "empty": "",
    "blank lines": "Page intentionally left blank." + "\n" * 90,
}
LOOPS = {
    "character": "Total: " + "0" * 6000,
    "spaces": "{" + " " * 6000,
    "line": "Dear Sir,\n" + "the quick brown fox jumps over the lazy dog\n" * 300,
    "short line": "and\n" * 2500,
    "paragraph": "Heading\n" + "".join(f"Sentence {n} of many. " for n in range(20)) * 120,
    "cut in the middle of a copy": ("the quick brown fox jumps over the lazy dog\n" * 300)[:-17],
}


def server_would_stop(tokens: list[str]) -> bool:
    """vLLM's rule, at every token: the last `min_count` patterns of one size are the same."""
    sizes = range(SERVER_DETECTION["min_pattern_size"], SERVER_DETECTION["max_pattern_size"] + 1)
    for size in sizes:
        same = 0
        for token, earlier in zip(tokens[size:], tokens, strict=False):
            same = same + 1 if token == earlier else 0
            if same >= size * (SERVER_DETECTION["min_count"] - 1):
                return True
    return False


@pytest.mark.parametrize("name", PAGES)
def test_page_comes_through(name: str, server: Any, ask: Any, png: bytes, answered: Any) -> None:
    assert not ends_in_loop(PAGES[name], ended=True)
    server.answer(answered(PAGES[name]))
    result = ask(server.url, png)
    assert (result.text, result.finish_reason, result.attempts) == (PAGES[name], "stop", 1)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("tokens", [r"\w+|\s+|[^\w\s]", r"\s*\S{1,8}|\s+", r"\w|\W"])
def test_server_is_not_asked_to_stop_a_page(name: str, tokens: str) -> None:
    assert not server_would_stop(re.findall(tokens, PAGES[name]))


@pytest.mark.parametrize("name", LOOPS)
def test_loop_is_seen(name: str) -> None:
    assert ends_in_loop(LOOPS[name], ended=True)
    assert server_would_stop(re.findall(r"\w|\W", LOOPS[name])) or name == "paragraph"


def test_fewer_copies_are_a_loop_when_the_text_was_cut() -> None:
    text = "the quick brown fox jumps over the lazy dog\n" * 40
    assert not ends_in_loop(text, ended=True)
    assert ends_in_loop(text, ended=False)
    assert not ends_in_loop("word after word " + "." * 200, ended=False)


def test_checking_a_long_text_is_quick() -> None:
    text = (("0 " * 60 + "\n") * 99 + "x" * 100_000 + "y") * 2
    started = time.process_time()
    assert not ends_in_loop(text, ended=True)
    assert time.process_time() - started < 0.2


def test_ramp(server: Any, ask: Any, png: bytes, answered: Any) -> None:
    for _ in range(2):
        server.answer_first(answered("and and and", finish_reason="repetition"))
    result = ask(server.url, png)
    assert (result.text, result.attempts) == ("TOTAL 12.50", 3)
    assert [body["temperature"] for body in server.chats] == [0, 0.2, 0.5]
    without = [{k: v for k, v in body.items() if k != "temperature"} for body in server.chats]
    assert without[0] == without[1] == without[2]
    assert not any("penalty" in name for body in server.chats for name in body)


@pytest.mark.parametrize("reason", ["repetition", "length", "stop"])
def test_four_attempts_then_an_error_with_the_partial_text(
    server: Any, ask: Any, png: bytes, answered: Any, reason: str
) -> None:
    server.answer(answered(LOOPS["line"], finish_reason=reason))
    with pytest.raises(RepetitionError, match="attempts: 4") as caught:
        ask(server.url, png)
    assert isinstance(caught.value, TruncatedError)
    assert caught.value.partial.text == LOOPS["line"]
    assert [body["temperature"] for body in server.chats] == [0, 0.2, 0.5, 0.8]


def test_flagged_partial(server: Any, ask: Any, png: bytes, answered: Any) -> None:
    server.answer(answered(LOOPS["line"], finish_reason="length"))
    result = ask(server.url, png, allow_truncated=True)
    assert (result.finish_reason, result.attempts) == ("repetition", 4)


def test_text_that_is_only_cut_off_is_not_read_again(
    server: Any, ask: Any, png: bytes, answered: Any
) -> None:
    server.answer(answered(CONTENTS, finish_reason="length"))
    with pytest.raises(TruncatedError) as caught:
        ask(server.url, png)
    assert type(caught.value) is TruncatedError
    assert len(server.chats) == 1


def test_latency_is_that_of_all_attempts(server: Any, png: bytes, answered: Any) -> None:
    server.answer_first(answered("and", finish_reason="repetition"), delay=0.2)
    with OCRClient(server.url, model="m") as client:
        assert client.ocr(png).latency >= 0.2
