"""The steps of a request, in order: route, key, limits, body, the application, the answer."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from opentelemetry.trace import Span
from starlette.types import ASGIApp, Receive, Scope, Send

from qwen_ocr_serve.http import errors, observe, traces
from qwen_ocr_serve.http.context import RequestContext
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.http.garbage import Garbage
from qwen_ocr_serve.http.keys import Keys, WatchedKeys
from qwen_ocr_serve.http.limits import ByteBudget, ConcurrencyLimiter, read_body
from qwen_ocr_serve.http.routes import POST, PUT, RouteTable
from qwen_ocr_serve.http.watchdog import end_when_hung
from qwen_ocr_serve.settings import server_settings


class Middleware:
    """Lets through what the table of routes allows, and nothing else.

    vLLM builds it without arguments beside the application, so it takes the settings from the
    environment, where the launcher left them, and the routes from the application's state, where
    the endpoint plugin puts them. Raises what reading settings and keys raises.
    """

    def __init__(self, app: ASGIApp) -> None:
        settings = server_settings()
        self._app = app
        self._keys = WatchedKeys(settings)
        self._limiter = ConcurrencyLimiter(settings.max_requests, settings.max_requests_per_key)
        self._max_body = int(settings.max_body_mib * 2**20)
        most_bytes = int(settings.max_inflight_mib * 2**20)
        self._budget = ByteBudget(most_bytes, self._limiter.retry_after)
        self._settings = settings
        self._garbage = Garbage()
        self._active: set[RequestContext] = set()
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on the application's start and end."""
        if scope["type"] == "lifespan":
            # Held, because vLLM deletes the application's state before it ends.
            state = scope["app"].state
            self._drain_on_signals(state)
            await self._app(scope, receive, send)
            if state.engine_client.errored and not self._draining:
                # vLLM would end with 0, which tells a supervisor that all is well. Its clean-up
                # still runs: this leaves the event loop as an interrupt would.
                asyncio.get_running_loop().call_soon(sys.exit, 1)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            context = RequestContext(scope, receive, send, self._limiter.retry_after)
            context.share_with(self._settings.web_origins)
            with traces.request_span(context.headers) as span:
                try:
                    await self._answer(context, receive)
                finally:
                    _describe(context, span)

    async def _answer(self, context: RequestContext, receive: Receive) -> None:
        self._active.add(context)
        try:
            await self._pass(context, receive)
        except APIError as error:
            await context.refuse(error)
        except Exception:
            if context.started:
                raise  # half an answer: only breaking the connection says so
            observe.logger.exception("request %s failed", context.request_id)
            await context.refuse(errors.internal_error())
        finally:
            self._active.discard(context)
            self._report(context)

    async def _pass(self, context: RequestContext, receive: Receive) -> None:
        scope, headers = context.scope, context.headers
        routes: RouteTable = scope["app"].state.ocr_routes
        route = context.route = routes.find(scope["path"])
        if route is None:
            raise errors.not_found(scope["path"])
        preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        if scope["method"] not in route.methods and not preflight:
            raise errors.wrong_method(scope["method"], route.methods)
        keys = self._keys.current()
        if route.key and keys and not preflight:
            other = headers.get("x-api-key") if route.api_key_header else None
            context.key_name = _owner(keys, headers.get("authorization"), other)
        if self._draining and route.key:
            raise errors.shutting_down()
        with ExitStack() as held:
            if route.limited:
                held.enter_context(self._limiter.acquire(context.key_name))
            if scope["method"] in POST | PUT:
                hold = held.enter_context(self._budget.share())
                if not await self._read(context, receive, hold):
                    return
            await self._run(context)

    async def _read(
        self, context: RequestContext, receive: Receive, hold: Callable[[int], None]
    ) -> bool:
        """Read the body for the application; `False` if the caller went away before its end."""
        length = context.headers.get("content-length", "")
        declared = int(length) if length.isdecimal() else None
        if declared is not None and declared <= self._max_body:
            self._budget.check(declared)  # what has no room need not be sent
        body = await read_body(
            receive,
            declared,
            limit=self._max_body,
            seconds=self._settings.body_timeout,
            hold=hold,
        )
        if body is None:
            return False
        self._garbage.add(len(body))
        context.replay(body)
        return True

    async def _run(self, context: RequestContext) -> None:
        seconds = self._settings.request_timeout
        loop = asyncio.get_running_loop()

        def expire() -> None:
            context.expire(errors.deadline_exceeded(seconds))

        timer = loop.call_later(max(seconds - context.seconds, 0), expire)

        def restart() -> None:
            nonlocal timer
            timer.cancel()
            timer = loop.call_later(seconds, expire)

        if context.route and context.route.timed_by_part:
            context.on_part = restart
        try:
            await self._app(context.application_scope(), context.receive, context.send)
        finally:
            context.on_part = lambda: None  # `restart` refers to the context, and that to it
            timer.cancel()
        await context.finish()

    def _report(self, context: RequestContext) -> None:
        route, error = context.route, context.error
        observe.finished(
            request_id=context.request_id,
            method=context.scope["method"],
            route=route.path if route else None,
            path=route.path if route else ascii(context.scope["path"])[:200],
            key_name=context.key_name,
            status=context.status,
            code=error.code if error else "",
            seconds=context.seconds,
        )

    def _drain_on_signals(self, state: Any) -> None:
        """Finish the requests that have begun before anything is shut down.

        vLLM shuts down the parts that prepare requests first, and requests that have not reached
        the engine still need those. So the HTTP server ends before all else, as it does when the
        engine dies: it closes its port, waits for the last answer, and then lets vLLM clean up.
        Ctrl-C waits for nothing.
        """
        loop = asyncio.get_running_loop()

        def drain(seconds: float) -> None:
            observe.logger.info("shutting down, requests to finish: %d", len(self._active))
            self._draining = True
            state.server.should_exit = True
            loop.call_later(seconds, self._expire_all)

        loop.add_signal_handler(signal.SIGTERM, drain, self._settings.shutdown_timeout)
        loop.add_signal_handler(signal.SIGINT, drain, 0)
        end_when_hung(self._settings.shutdown_timeout)

    def _expire_all(self) -> None:
        for context in self._active:
            context.expire(errors.shutting_down())


def _describe(context: RequestContext, span: Span) -> None:
    traces.describe(
        span,
        method=context.scope["method"],
        route=context.route.path if context.route else "none",
        status=context.status,
        request_id=context.request_id,
        key_name=context.key_name,
        code=context.error.code if context.error else "",
    )


def _owner(keys: Keys, authorization: str | None, api_key: str | None) -> str:
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        secret = api_key or ""
    if not secret:
        raise errors.unauthorized(given=False)
    owner = keys.owner(secret.strip())
    if owner is None:
        raise errors.unauthorized(given=True)
    return owner
