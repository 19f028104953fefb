"""One client for several servers: who gets which request, and what becomes of those that fail."""

import asyncio
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from qwen_ocr.errors import OCRConnectionError
from qwen_ocr.settings import ClientSettings
from qwen_ocr_tools.batch import spread
from qwen_ocr_tools.batch.server import check_any, find_total
from qwen_ocr_tools.batch.spread import Spread, open_client

A, B = "http://a:1", "https://b:2/ocr"
Answer = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be changed by the test."""
    now = [1000.0]
    monkeypatch.setattr(spread, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def fleet(answer: Answer) -> httpx2.AsyncClient:
    transport = Spread([A, B], httpx2.MockTransport(answer))
    return httpx2.AsyncClient(base_url=A, transport=transport)


async def ask(client: httpx2.AsyncClient) -> str:
    """The host that answered, or a word for what happened instead."""
    try:
        response = await client.post("/v1/chat/completions", content=b"page")
    except httpx2.TransportError:
        return "broken"
    return response.text if response.status_code == 200 else str(response.status_code)


def host(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, text=request.url.host)


async def test_the_least_busy_server_gets_the_request() -> None:
    release = asyncio.Event()

    async def wait(request: httpx2.Request) -> httpx2.Response:
        await release.wait()
        return host(request)

    transport = Spread([A, B], httpx2.MockTransport(wait))
    async with httpx2.AsyncClient(base_url=A, transport=transport) as client:
        asked = [asyncio.create_task(ask(client)) for _ in range(20)]
        await asyncio.sleep(0.05)
        release.set()
        assert Counter(await asyncio.gather(*asked)) == {"a": 10, "b": 10}


async def test_idle_servers_are_equal() -> None:
    async with fleet(host) as client:
        counts = Counter([await ask(client) for _ in range(200)])
    assert min(counts["a"], counts["b"]) > 50


async def test_requests_are_addressed_to_their_server() -> None:
    seen = set()

    def note(request: httpx2.Request) -> httpx2.Response:
        assert request.content == b"page"
        seen.add((str(request.url), request.headers["host"]))
        return host(request)

    async with fleet(note) as client:
        for _ in range(50):
            await ask(client)
    route = "/v1/chat/completions"
    assert seen == {(A + route, "a:1"), (B + route, "b:2")}


@pytest.mark.parametrize("fault", [httpx2.ConnectError("gone"), httpx2.ReadError("cut"), 502, 503])
async def test_a_server_that_fails_rests(clock: list[float], fault: Exception | int) -> None:
    asked: Counter[str] = Counter()
    broken = True

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked[request.url.host] += 1
        if broken and request.url.host == "b":
            if isinstance(fault, int):
                return httpx2.Response(fault)
            raise fault
        return host(request)

    async with fleet(answer) as client:
        for _ in range(100):
            await ask(client)
        assert asked["b"] == 1
        clock[0] += spread.REST
        for _ in range(100):
            await ask(client)
        assert asked["b"] == 2
        broken = False
        clock[0] += spread.REST
        for _ in range(100):
            await ask(client)
    assert asked["b"] > 20


async def test_one_request_tries_a_server_that_failed(clock: list[float]) -> None:
    broken = True
    release = asyncio.Event()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "b" and broken:
            raise httpx2.ConnectError("gone")
        await release.wait()
        return host(request)

    transport = Spread([A, B], httpx2.MockTransport(answer))
    async with httpx2.AsyncClient(base_url=A, transport=transport) as client:
        release.set()
        while await ask(client) != "broken":
            pass
        release.clear()
        clock[0] += spread.REST
        broken = False
        asked = [asyncio.create_task(ask(client)) for _ in range(20)]
        await asyncio.sleep(0.05)
        release.set()
        assert Counter(await asyncio.gather(*asked)) == {"a": 19, "b": 1}


async def test_failing_servers_are_asked_when_there_are_no_others() -> None:
    async with fleet(lambda request: httpx2.Response(503, text=request.url.host)) as client:
        assert Counter([await ask(client) for _ in range(50)]) == {"503": 50}


def settings(*urls: str) -> list[ClientSettings]:
    return [ClientSettings.load(base_url=url, api_key="secret") for url in urls]


async def test_pages_are_read_while_one_server_lives(
    server: Any, dead_url: str, png: bytes
) -> None:
    async with open_client(settings(dead_url, server.url)) as client:
        results = await asyncio.gather(*(client.ocr(png) for _ in range(20)))
    assert {result.text for result in results} == {"TOTAL 12.50"}
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer secret"}


async def test_one_server_needs_no_spreading(server: Any, png: bytes) -> None:
    async with open_client(settings(server.url)) as client:
        assert type(client).__name__ == "AsyncOCRClient"
        assert (await client.ocr(png)).text == "TOTAL 12.50"


def test_all_servers_are_there_at_the_beginning(server: Any, dead_url: str) -> None:
    server.health.status, server.health.body = 200, b'{"max_concurrent": 5}'
    assert find_total(settings(server.url, server.url)) == 10
    with pytest.raises(OCRConnectionError, match=dead_url):
        find_total(settings(server.url, dead_url))


def test_later_one_is_enough(server: Any, dead_url: str) -> None:
    check_any(settings(dead_url, server.url))
    with pytest.raises(OCRConnectionError, match=dead_url):
        check_any(settings(dead_url))
