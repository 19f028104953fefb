"""Many at once: bounded, in order or not, and unharmed by what is bad among them."""

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from qwen_ocr import (
    AsyncOCRClient,
    ConfigurationError,
    ImageError,
    OCRClient,
    OCRError,
    OCRResult,
    PromptError,
    ServerError,
)
from qwen_ocr.batch import WINDOW, run_many, run_many_async

RESULT = OCRResult("text", "stop", None, "m", None, 0.1)


@pytest.mark.parametrize("ordered", [True, False])
def test_one_bad_page_never_stops_the_rest(
    server: Any, call: Any, png: bytes, ordered: bool
) -> None:
    images = [png, b"no image", png, "/nowhere.png", None, png]
    outcomes = call(server.url, "ocr_many", images, ordered=ordered, concurrency=2)
    assert len(outcomes) == len(images)
    if ordered:
        assert [outcome.index for outcome in outcomes] == list(range(6))
    for outcome in outcomes:
        assert outcome.input is images[outcome.index]
        assert (outcome.result is None) != (outcome.error is None)
        assert isinstance(outcome.error, ImageError) == (outcome.index in (1, 3, 4))


def test_server_errors_are_outcomes(server: Any, call: Any, png: bytes) -> None:
    server.answer_first(b"", status=500)
    outcomes = call(server.url, "ocr_many", [png, png], concurrency=1)
    assert isinstance(outcomes[0].error, ServerError)
    assert outcomes[1].result.text == "TOTAL 12.50"


def test_options_reach_every_image(server: Any, call: Any, png: bytes) -> None:
    call(server.url, "ocr_many", [png, png], "Read the total.", max_tokens=9, confidence=True)
    for body in server.chats:
        assert body["messages"][0]["content"][1]["text"] == "Read the total."
        assert (body["max_completion_tokens"], body["logprobs"]) == (9, True)


def test_no_images(server: Any, call: Any) -> None:
    assert call(server.url, "ocr_many", []) == []


class Reader:
    """Reads nothing, and notes how many do so at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = self.taken = 0

    def items(self, count: int | None = None) -> Iterator[int]:
        for item in itertools.count() if count is None else range(count):
            self.taken += 1
            yield item

    def enter(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def leave(self, item: int) -> OCRResult:
        with self.lock:
            self.now -= 1
        if item % 10 == 3:
            raise OCRError("bad page")
        return RESULT

    def read(self, item: int) -> OCRResult:
        self.enter()
        time.sleep(0.02 if item % 7 == 0 else 0.002)
        return self.leave(item)

    async def read_async(self, item: int) -> OCRResult:
        self.enter()
        await asyncio.sleep(0.02 if item % 7 == 0 else 0.002)
        return self.leave(item)


def take(reader: Reader, kind: str, items: Iterator[int], count: int, **options: Any) -> list[int]:
    """The indexes of the first `count` outcomes; the rest is left."""

    async def first() -> list[int]:
        outcomes: AsyncIterator[Any] = run_many_async(reader.read_async, items, **options)
        indexes = []
        async for outcome in outcomes:
            indexes.append(outcome.index)
            if len(indexes) == count:
                break
        await outcomes.aclose()  # type: ignore[attr-defined]
        assert len(asyncio.all_tasks()) == 1
        return indexes

    if kind == "async":
        return asyncio.run(first())
    return [o.index for o in itertools.islice(run_many(reader.read, items, **options), count)]


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("ordered", [True, False])
def test_bounds(kind: str, ordered: bool) -> None:
    reader = Reader()
    indexes = take(reader, kind, reader.items(200), 200, concurrency=8, ordered=ordered)
    assert sorted(indexes) == list(range(200))
    assert (indexes == sorted(indexes)) == ordered
    assert reader.most == 8


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("ordered", [True, False])
def test_endless_input_is_taken_as_needed(kind: str, ordered: bool) -> None:
    reader = Reader()
    indexes = take(reader, kind, reader.items(), 20, concurrency=4, ordered=ordered)
    assert len(indexes) == 20
    assert reader.taken <= 20 + 4 * WINDOW


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_slow_page_does_not_hold_up_the_others(kind: str) -> None:
    reader = Reader()
    indexes = take(reader, kind, reader.items(20), 20, concurrency=4, ordered=False)
    assert indexes.index(0) > 0


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_input_that_fails(kind: str) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("the disk is gone")

    seen: list[int] = []

    def run() -> None:
        for outcome in run_many(Reader().read, items(), concurrency=2, ordered=True):
            seen.append(outcome.index)

    async def run_async() -> None:
        outcomes = run_many_async(Reader().read_async, items(), concurrency=2, ordered=True)
        async for outcome in outcomes:
            seen.append(outcome.index)

    with pytest.raises(OSError, match="disk"):
        run() if kind == "sync" else asyncio.run(run_async())
    assert seen == list(range(5))


@pytest.mark.parametrize("client", [OCRClient, AsyncOCRClient])
@pytest.mark.parametrize(
    ("images", "options", "error"),
    [
        ("scan.png", {}, ConfigurationError),
        (b"\x89PNG", {}, ConfigurationError),
        (7, {}, ConfigurationError),
        ([], {"concurrency": 0}, ConfigurationError),
        ([], {"concurrency": "many"}, ConfigurationError),
        ([], {"max_tokens": 0}, ConfigurationError),
        ([], {"max_tokns": 5}, ConfigurationError),
        ([], {"prompt": " "}, PromptError),
    ],
)
def test_refused_at_once(
    client: Any, images: Any, options: dict[str, Any], error: type[OCRError]
) -> None:
    with pytest.raises(error):
        client("http://localhost:1").ocr_many(images, **options)
