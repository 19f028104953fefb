"""A load generator: so many requests, so many at a time, to a server that may be anybody's."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image

from qwen_ocr import DEFAULT_PROMPT
from qwen_ocr_tools.evaluation.loading import load_dataset

TOKENS = 100
"""Length of a forced answer, in tokens: characters, for the bundled model."""
TIMEOUT = 600.0
"""Seconds for one request: the replaced design makes callers wait for minutes."""


@dataclass(frozen=True)
class Request:
    """One call; `tokens` is the forced length of its answer."""

    path: str
    body: dict[str, Any]
    tokens: int = 0


@dataclass(frozen=True)
class Load:
    """What a load came to. Latencies are seconds from sending a request to its whole answer."""

    concurrency: int
    pages_per_second: float
    tokens_per_second: float
    p50: float
    p95: float
    p99: float
    failed: int


def data_url(image: bytes) -> str:
    """The image as requests carry it; its type is told from its bytes by the server."""
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


def chat(
    model: str, image: bytes, tokens: int | None = None, prompt: str = DEFAULT_PROMPT
) -> Request:
    """A chat completion for one image; with `tokens`, of exactly that length (vLLM only)."""
    content = [
        {"type": "image_url", "image_url": {"url": data_url(image)}},
        {"type": "text", "text": prompt},
    ]
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": content}]}
    body["temperature"] = 0.0
    if tokens is not None:
        body |= {"max_tokens": tokens, "ignore_eos": True}
    return Request("/v1/chat/completions", body, tokens or 0)


class Pages:
    """Images in turn, and never the same twice.

    Each differs from the others in its first pixel: a server's caches know none of them, as is so
    with the pages of a corpus.
    """

    def __init__(self, images: Iterable[Image.Image]) -> None:
        self._images = [image.convert("RGB") for image in images]
        self._given = 0

    def take(self, count: int) -> list[bytes]:
        """The next `count` images, as PNG files."""
        return [self._next() for _ in range(count)]

    def _next(self) -> bytes:
        number = self._given
        self._given += 1
        image = self._images[number % len(self._images)]
        red, rest = divmod(number, 256 * 256)
        image.putpixel((0, 0), (red, *divmod(rest, 256)))
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()


def evaluation_files(kind: str, least: int = 0) -> list[Path]:
    """The images of one kind in `tests/evaluation` that show at least so many characters."""
    samples = load_dataset(Path(__file__).parents[1] / "evaluation").samples
    return sorted(s.path for s in samples if s.kind == kind and len(s.text or "") >= least)


def evaluation_pages(kind: str, least: int = 0) -> Pages:
    """The images of one kind that show at least so many characters, to be sent."""
    return Pages(Image.open(file) for file in evaluation_files(kind, least))


def full_pages(tokens: int) -> Pages:
    """Small images with text of at least so many tokens of the bundled model.

    Past the end of its text, what a model writes, and how fast, says nothing.
    """
    return evaluation_pages("small", tokens)


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """p50, p95 and p99, between the least and the greatest; NaN for fewer than two values."""
    if len(values) < 2:
        return (math.nan,) * 3
    marks = statistics.quantiles(values, n=100, method="inclusive")
    return marks[49], marks[94], marks[98]


def run(
    base_url: str,
    requests: Sequence[Request],
    concurrency: int,
    api_key: str | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Load:
    """Send all requests, `concurrency` at a time, and wait for every answer.

    A failed request counts as failed, and its latency and tokens do not count. All times are taken
    from the clock, in seconds.
    """
    return asyncio.run(_run(base_url.rstrip("/"), requests, concurrency, api_key, clock))


async def _run(
    base_url: str,
    requests: Sequence[Request],
    concurrency: int,
    api_key: str | None,
    clock: Callable[[], float],
) -> Load:
    latencies: list[float] = []
    answers: list[tuple[Request, bytes]] = []
    # Written before the clock starts and read after it stops: it is work of the callers, here on
    # the server's machine.
    bodies = [json.dumps(request.body).encode() for request in requests]
    waiting = zip(requests, bodies, strict=True)

    async def caller(session: aiohttp.ClientSession) -> None:
        for request, body in waiting:
            started = clock()
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.post(base_url + request.path, data=body) as response:
                    response.raise_for_status()
                    answer = await response.read()
                latencies.append(clock() - started)
                answers.append((request, answer))

    headers = {"Content-Type": "application/json"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    # aiohttp, because of the clients it takes least from the server that shares its processors.
    async with aiohttp.ClientSession(
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=TIMEOUT),
        connector=aiohttp.TCPConnector(limit=concurrency),
    ) as session:
        await asyncio.gather(*[_connect(session, base_url) for _ in range(concurrency)])
        started = clock()
        await asyncio.gather(*[caller(session) for _ in range(concurrency)])
        seconds = clock() - started
    tokens = 0
    for request, answer in answers:
        usage = json.loads(answer).get("usage") or {}
        tokens += usage.get("completion_tokens", request.tokens)
    return Load(
        concurrency,
        len(latencies) / seconds,
        tokens / seconds,
        *percentiles(latencies),
        len(requests) - len(latencies),
    )


async def _connect(session: aiohttp.ClientSession, base_url: str) -> None:
    """Open a connection that is kept, as callers have it; a server that has no such path does too.

    What fails here fails again, and is counted, with the requests.
    """
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with session.get(f"{base_url}/health") as response:
            await response.read()
