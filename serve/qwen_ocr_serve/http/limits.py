"""How many requests at a time, and how large and how slow their bodies may be."""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.types import Receive

from qwen_ocr_serve.http import errors

_FIRST_GUESS = 1.0
"""Seconds between two answers, as long as none has been given."""
_SMOOTHING = 0.1
"""Weight of the newest interval in the mean: the last twenty or so count."""
_LONGEST_WAIT = 60
"""Seconds. The pace is a guess; OpenAI's SDKs would follow a `Retry-After` of up to 120."""


class ConcurrencyLimiter:
    """How many requests may run or wait at a time, and the advice to those that are refused.

    Refusing here costs next to nothing: the body has not been read, no image decoded. vLLM's own
    limit of the same size comes after both, and sees only those that the engine already has.
    """

    def __init__(self, limit: int, limit_per_key: int | None) -> None:
        self._limit = limit
        self._limit_per_key = limit_per_key
        self._running = 0
        self._by_key: Counter[str | None] = Counter()
        self._interval = _FIRST_GUESS
        self._last_answer: float | None = None

    @contextmanager
    def acquire(self, key_name: str | None) -> Iterator[None]:
        """Count a request of this key while the block lasts. Raises `APIError` beyond a limit."""
        if self._running >= self._limit:
            raise errors.queue_full(self._limit, self.retry_after())
        per_key = self._limit_per_key
        if per_key is not None and key_name is not None and self._by_key[key_name] >= per_key:
            raise errors.key_limit(per_key, self.retry_after())
        if self._running == 0:
            self._last_answer = None  # what came before was a pause, not work
        self._running += 1
        self._by_key[key_name] += 1
        started = time.monotonic()
        try:
            yield
        finally:
            self._running -= 1
            self._by_key[key_name] -= 1
            self._note_answer(started)

    def _note_answer(self, started: float) -> None:
        now = time.monotonic()
        interval = now - max(started, self._last_answer or started)
        self._interval += _SMOOTHING * (interval - self._interval)
        self._last_answer = now

    def retry_after(self) -> int:
        """Seconds until about half of the queue should be free, at the present pace.

        Scattered by a third either way, so that those who were refused together do not come back
        together.
        """
        seconds = self._interval * self._running / 2 * random.uniform(0.67, 1.33)
        return min(max(math.ceil(seconds), 1), _LONGEST_WAIT)


class ByteBudget:
    """The bytes of all requests that the server holds, also of those that it is still reading.

    They are counted as they come, not as they are announced: whoever announces much and sends
    nothing takes no room from others.
    """

    def __init__(self, limit: int, retry_after: Callable[[], int]) -> None:
        self._limit = limit
        self._retry_after = retry_after
        self._held = 0

    def check(self, count: int) -> None:
        """Raise `APIError` if there is no room for so many bytes more."""
        if self._held + count > self._limit:
            raise errors.no_room(self._limit, self._retry_after())

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """A function that holds so many bytes more for as long as the block lasts.

        It raises `APIError` when there is no room for them.
        """
        held = 0

        def hold(count: int) -> None:
            nonlocal held
            self.check(count)
            self._held += count
            held += count

        try:
            yield hold
        finally:
            self._held -= held


async def read_body(
    receive: Receive,
    declared: int | None,
    *,
    limit: int,
    seconds: float,
    hold: Callable[[int], None],
) -> bytes | None:
    """The whole body; `None` if the caller went away before it was complete.

    `declared` is the Content-Length, `limit` in bytes; `hold` is told of each piece. Raises
    `APIError` as soon as the body is known to be too large, chunked ones included, or when it takes
    too long; and what `hold` raises.
    """
    if declared is not None and declared > limit:
        raise errors.body_too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                part = message.get("body", b"")
                size += len(part)
                if size > limit:
                    raise errors.body_too_large(limit)
                hold(len(part))
                parts.append(part)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise errors.body_too_slow(seconds) from None
