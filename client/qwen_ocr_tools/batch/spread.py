"""A client that spreads its requests over several servers, and does without those that fail.

Retrying stays the SDK's: each of its attempts goes to whichever server is best at that moment.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2
import openai

from qwen_ocr.async_client import AsyncOCRClient
from qwen_ocr.settings import ClientSettings

PATIENCE = 8
"""Further attempts for a page unless QWEN_OCR_MAX_RETRIES says otherwise: with the SDK's pauses
about 40 s, because a server that is busy for that long is no reason to give up a page."""
REST = 5.0
"""Seconds for which a server that failed gets no requests. Then it gets one, every so many seconds,
until one has succeeded: a dead server is always the least busy."""
UNAVAILABLE = {502, 503, 504}
"""What a server or its balancer answers that cannot take requests at the moment."""


def retries(settings: ClientSettings) -> int:
    """Further attempts for a page."""
    return settings.max_retries if "max_retries" in settings.model_fields_set else PATIENCE


def open_client(servers: Sequence[ClientSettings]) -> AsyncOCRClient:
    """A client for servers that differ in nothing but their address."""
    settings = servers[0]
    http_client = None
    if len(servers) > 1:
        transport = Spread([server.base_url for server in servers])
        http_client = openai.DefaultAsyncHttpxClient(transport=transport)
    return AsyncOCRClient(
        settings.base_url,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        model=settings.served_model_name,
        timeout=settings.timeout,
        max_retries=retries(settings),
        max_image_tokens=settings.max_image_tokens,
        http_client=http_client,
    )


@dataclass(slots=True)
class _Server:
    url: str
    under_way: int = 0
    rests_until: float = 0.0
    """By the monotonic clock, in seconds; 0 unless its last request failed."""


class Spread(httpx2.AsyncBaseTransport):
    """Sends each request to the server that works on the fewest, of those that do not fail.

    Requests are addressed to the first of the servers. With nothing but failing servers, one of
    them gets the request all the same: the SDK learns from its answer how long to wait.
    """

    def __init__(
        self, urls: Sequence[str], transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self._servers = [_Server(url) for url in urls]
        self._transport = transport or httpx2.AsyncHTTPTransport(
            limits=openai.DEFAULT_CONNECTION_LIMITS
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One attempt. Raises what the connection does."""
        server = self._choose()
        route = str(request.url).removeprefix(self._servers[0].url)
        request.url = httpx2.URL(server.url + route)
        request.headers["host"] = request.url.netloc.decode("ascii")
        server.under_way += 1
        try:
            response = await self._transport.handle_async_request(request)
        except httpx2.TransportError:
            server.rests_until = time.monotonic() + REST
            raise
        finally:
            server.under_way -= 1
        failed = response.status_code in UNAVAILABLE
        server.rests_until = time.monotonic() + REST if failed else 0.0
        return response

    def _choose(self) -> _Server:
        now = time.monotonic()
        ready = [server for server in self._servers if server.rests_until <= now]
        # At random among equals: many clients would otherwise all begin with the same ones.
        chosen = min(ready or self._servers, key=lambda server: (server.under_way, random.random()))
        if chosen.rests_until:
            chosen.rests_until = now + REST
        return chosen

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()
