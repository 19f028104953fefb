"""Many at once: bounded in what is sent and in what is held, and not stopped by one that fails.

Items are taken from the input only as there is room for them, so a generator of a million paths is
never held; a failure becomes an `Outcome` with an error; leaving early cancels what has not begun.
"""

import asyncio
import concurrent.futures
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from itertools import takewhile
from os import PathLike
from typing import Any, Generic, Protocol, TypeVar

from qwen_ocr.errors import ConfigurationError, OCRError
from qwen_ocr.options import ReadOptions, check_count, check_options
from qwen_ocr.outcomes import Item, Outcome
from qwen_ocr.prompts import check_prompt
from qwen_ocr.results import OCRResult

CONCURRENCY = 32
"""Images read at a time unless the caller says otherwise: enough to fill one server."""
WINDOW = 4
"""Items begun and not yet handed out, per one that is being read: so many can finish behind a slow
page, or while the caller is busy, before the server runs out of work."""


def check_many(items: object, prompt: str, concurrency: int, options: ReadOptions) -> None:
    """Refuse at once what would fail for each of many items, and one image in place of several."""
    if isinstance(items, str | bytes | PathLike) or not isinstance(items, Iterable):
        raise ConfigurationError("images: give several, such as a list of paths; for one, use ocr")
    check_count("concurrency", concurrency)
    check_prompt(prompt)
    check_options(options)


class _Future(Protocol):
    def done(self) -> bool: ...

    def add_done_callback(self, callback: Callable[[Any], object], /) -> object: ...


class _Event(Protocol):
    def set(self) -> None: ...

    def clear(self) -> None: ...


F = TypeVar("F", bound=_Future)


class _Window(Generic[F]):
    """What has begun and was not handed out yet, in order of the input.

    `progress` is set whenever one finishes. Nothing here looks at all that has begun, because that
    for each of them would be most of the work of a client with hundreds in flight.
    """

    def __init__(self, concurrency: int, progress: _Event, *, ordered: bool) -> None:
        self._room = WINDOW * concurrency
        self._progress = progress
        self._ordered = ordered
        self._finished: deque[F] = deque()
        self.begun: dict[F, None] = {}

    def add(self, future: F) -> None:
        self.begun[future] = None
        future.add_done_callback(self._finish)

    def _finish(self, future: F) -> None:
        if not self._ordered:
            self._finished.append(future)
        self._progress.set()

    @property
    def full(self) -> bool:
        return len(self.begun) >= self._room

    def take(self) -> list[F]:
        """Those to hand out now. If there are none, `progress` tells when to ask again."""
        self._progress.clear()
        if self._ordered:
            taken = list(takewhile(lambda future: future.done(), self.begun))
        else:
            taken = [self._finished.popleft() for _ in range(len(self._finished))]
        for future in taken:
            del self.begun[future]
        return taken


def _until_failure(items: Iterable[Item], failures: list[Exception]) -> Iterator[Item]:
    """The items, and in `failures` what the input raised, for when all before it are handed out."""
    try:
        yield from items
    except Exception as exc:  # noqa: BLE001 - raised again by the caller
        failures.append(exc)


def run_many(
    read: Callable[[Item], OCRResult], items: Iterable[Item], *, concurrency: int, ordered: bool
) -> Iterator[Outcome[Item]]:
    """`read` each item in up to `concurrency` threads."""

    def attempt(index: int, item: Item) -> Outcome[Item]:
        try:
            return Outcome(index, item, result=read(item))
        except OCRError as exc:
            return Outcome(index, item, error=exc)

    failures: list[Exception] = []
    progress = threading.Event()
    window: _Window[concurrent.futures.Future[Outcome[Item]]]
    window = _Window(concurrency, progress, ordered=ordered)
    pool = concurrent.futures.ThreadPoolExecutor(concurrency, "qwen-ocr")

    def outcomes(*, wait: bool) -> Iterator[Outcome[Item]]:
        while not (taken := window.take()) and wait:
            progress.wait()
        return (future.result() for future in taken)

    try:
        for index, item in enumerate(_until_failure(items, failures)):
            window.add(pool.submit(attempt, index, item))
            yield from outcomes(wait=window.full)
        while window.begun:
            yield from outcomes(wait=True)
        for failure in failures:
            raise failure
    finally:
        # Not to be waited for: who leaves early does not want to stay for the slowest page.
        pool.shutdown(wait=False, cancel_futures=True)


async def run_many_async(
    read: Callable[[Item], Awaitable[OCRResult]],
    items: Iterable[Item],
    *,
    concurrency: int,
    ordered: bool,
) -> AsyncGenerator[Outcome[Item], None]:
    """`read` each item in up to `concurrency` tasks at a time."""
    gate = asyncio.Semaphore(concurrency)

    async def attempt(index: int, item: Item) -> Outcome[Item]:
        try:
            async with gate:
                return Outcome(index, item, result=await read(item))
        except OCRError as exc:
            return Outcome(index, item, error=exc)

    failures: list[Exception] = []
    progress = asyncio.Event()
    window: _Window[asyncio.Task[Outcome[Item]]]
    window = _Window(concurrency, progress, ordered=ordered)

    async def outcomes(*, wait: bool) -> list[Outcome[Item]]:
        while not (taken := window.take()) and wait:
            await progress.wait()
        return [future.result() for future in taken]

    try:
        for index, item in enumerate(_until_failure(items, failures)):
            window.add(asyncio.create_task(attempt(index, item)))
            for outcome in await outcomes(wait=window.full):
                yield outcome
        while window.begun:
            for outcome in await outcomes(wait=True):
                yield outcome
        for failure in failures:
            raise failure
    finally:
        for task in window.begun:
            task.cancel()
        await asyncio.gather(*window.begun, return_exceptions=True)
