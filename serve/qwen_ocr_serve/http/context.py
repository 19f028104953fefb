"""One request and its answer: what is changed on the way in and on the way out."""

import asyncio
import contextlib
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from qwen_ocr_serve.http.error_formats import encode_json, error_body, openai_error
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.http.observe import logger
from qwen_ocr_serve.http.routes import Route
from qwen_ocr_serve.http.traces import trace_headers
from qwen_ocr_serve.http.vllm_errors import from_answer

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}")
_ID_HEADER = b"x-request-id"
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_ALLOW_ORIGIN = b"access-control-allow-origin"
_EXPOSED = (
    b"access-control-expose-headers",
    b"Retry-After, X-Confidence, X-Finish-Reason, X-Page-Count, X-Request-Id, X-Warnings",
)
"""What a web page may read of the headers, beside those that it always may."""
_LINGER = 2.0
"""Seconds that a caller gets to send the rest of a request that has been refused."""
_ERROR_EVENT = b'data: {"error"'
_CLIENT_GONE = 499
"""What nginx logs for a caller who did not wait for the answer; nobody ever receives it."""


class RequestContext:
    """Passes one request to the application, and its answer back.

    Gives it one id, the caller's if that is harmless; puts every error into the right form; and can
    end the request, at its deadline or when the server stops, by telling the application that the
    caller has gone, at which vLLM stops generating.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, retry_after: Callable[[], int]
    ) -> None:
        """`retry_after` gives the seconds after which it is worth trying again."""
        self.headers = Headers(scope=scope)
        given = self.headers.get("x-request-id", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        self.scope = scope
        self.route: Route | None = None
        self.key_name: str | None = None
        self.error: APIError | None = None
        """Why it failed, if it did."""
        self.status = _CLIENT_GONE
        self._receive = receive
        self._send = send
        self._retry_after = retry_after
        self._body: bytes | None = None
        self._read = False
        self._waiting: set[asyncio.Task[Any]] = set()
        self._expired: APIError | None = None
        self._start: Message | None = None
        self.started = False
        """Whether a part of the answer is on its way."""
        self._streaming = self._finished = False
        self._error_body: list[bytes] = []
        self._began = time.monotonic()
        self._origin_headers: list[tuple[bytes, bytes]] = []
        self.on_part: Callable[[], None] = lambda: None
        """Called after each part of a streamed answer."""

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._began

    def share_with(self, origins: frozenset[str]) -> None:
        """Let a web page of one of these origins read the answer, `*` being all, errors as well.

        Starlette's middleware, which answers preflights, never sees what is refused out here.
        """
        origin = self.headers.get("origin", "")
        if origin and {"*", origin.lower()} & origins:
            allowed = b"*" if "*" in origins else origin.encode("latin-1")
            self._origin_headers = [(_ALLOW_ORIGIN, allowed), (b"vary", b"Origin"), _EXPOSED]

    def application_scope(self) -> Scope:
        """The scope for the application, with this request id, no other, the key's name, and this
        request's place in a trace."""
        traced = trace_headers()
        names = {name for name, _ in traced}
        headers = self._identified(self.scope["headers"])
        headers = [*(header for header in headers if header[0] not in names), *traced]
        return {**self.scope, "headers": headers, "key_name": self.key_name}

    def _identified(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The headers with this request id instead of any other; names are in lower case."""
        others = [header for header in headers if header[0] != _ID_HEADER]
        return [*others, (_ID_HEADER, self.request_id.encode())]

    def replay(self, body: bytes) -> None:
        """Let `receive` begin with this body, which has been read."""
        self._body = body
        self._read = True

    async def receive(self) -> Message:
        """The body in one piece, then the end of the connection: the real one, or the deadline."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if self._expired:
            return {"type": "http.disconnect"}
        task = asyncio.current_task()
        assert task is not None, "a server runs each request in a task"
        self._waiting.add(task)
        try:
            return await self._receive()
        except asyncio.CancelledError:
            # As `asyncio.timeout` does: our own cancellation ends here, any other is passed on.
            if self._expired and not task.uncancel():
                return {"type": "http.disconnect"}
            raise
        finally:
            self._waiting.discard(task)
            # A cancelled task refers to its traceback, that to this frame, and this frame would to
            # the task: a reference cycle, which would keep the whole request, images too, in memory
            # until garbage is collected.
            del task

    def expire(self, error: APIError) -> None:
        """End the request with this error, unless it has ended."""
        if self._expired is None and not self._finished:
            self._expired = self.error = error
            for waiting in self._waiting:
                waiting.cancel()

    async def send(self, message: Message) -> None:
        """Pass on what the application answers; errors in the right form, streams as they come."""
        if self._expired and not self.started:
            return  # `finish` says why
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] == "http.response.body":
            await self._continue(message)
        else:
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        self._start = message
        if message["status"] >= 400 and self.route is not None and self.route.error_format != "own":
            return  # held back until the body is there
        self._streaming = (
            Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")
        )
        await self._send_start(message)

    async def _continue(self, message: Message) -> None:
        if self.started:
            if self._streaming:
                message = self._with_request_id(message)
            self._finished = not message.get("more_body")
            await self._send(message)
            if self._streaming:
                self.on_part()
            return
        self._error_body.append(message.get("body", b""))
        if not message.get("more_body"):
            assert self._start is not None, "the server sends no body before its start"
            status, body = self._start["status"], b"".join(self._error_body)
            if status == 500:
                words = body[:1000].decode("utf-8", "replace")
                logger.error("request %s failed: %s", self.request_id, words)
            await self.refuse(from_answer(status, body, self._retry_after()))

    def _with_request_id(self, message: Message) -> Message:
        """An error in the middle of a stream, in our form; every other event as it is."""
        body: bytes = message.get("body", b"")
        if not body.startswith(_ERROR_EVENT):
            return message
        error = json.loads(body.removeprefix(b"data: "))["error"]
        status = error["code"] if isinstance(error.get("code"), int) else 500
        self.error = from_answer(status, body.removeprefix(b"data: "), 1)
        return {**message, "body": self._error_event(self.error)}

    def _error_event(self, error: APIError) -> bytes:
        return b"data: %s\n\n" % encode_json(openai_error(error, self.request_id))

    async def refuse(self, error: APIError) -> None:
        """Answer with this error, in the format of the route."""
        # Its traceback leads to the frames that hold this object: see `receive`.
        self.error = error.with_traceback(None)
        error_format = self.route.error_format if self.route else "openai"
        accept = self.headers.get("accept", "")
        media_type, body = error_body(error, error_format, self.request_id, accept)
        headers = {
            "content-type": media_type,
            "content-length": str(len(body)),
            **error.headers,
        }
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send_start(
            {"type": "http.response.start", "status": error.status, "headers": raw}
        )
        self._finished = True
        if "connection" in error.headers and not self._read:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            await self._linger()
            body = b""
        await self._send({"type": "http.response.body", "body": body})

    async def _linger(self) -> None:
        """Read what the caller is still sending, for a while, before the connection is closed.

        Otherwise its network reports a broken connection, and a caller that is still sending, above
        all a balancer, may never read the answer.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while (await self._receive()).get("more_body"):
                    pass

    async def finish(self) -> None:
        """Complete an answer that the application left open because the request had expired."""
        if self._expired is None or self._finished:
            return
        if not self.started:
            await self.refuse(self._expired)
            return
        self._finished = True
        body = self._error_event(self._expired) if self._streaming else b""
        await self._send({"type": "http.response.body", "body": body})

    async def _send_start(self, message: Message) -> None:
        headers = self._identified(message["headers"])
        names = {name for name, _ in headers}
        headers += [
            header
            for header in (*_SECURITY_HEADERS, *self._origin_headers)
            if header[0] not in names
        ]
        self.started = True
        self.status = message["status"]
        await self._send({**message, "headers": headers})
