"""The order of things: route, key, limits, body, the application, the answer."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from qwen_ocr_serve.guard import observe, problems
from qwen_ocr_serve.guard.exchange import Exchange, current
from qwen_ocr_serve.guard.garbage import Garbage
from qwen_ocr_serve.guard.limits import ByteBudget, Queue, read_body
from qwen_ocr_serve.guard.problems import Problem
from qwen_ocr_serve.guard.routes import RouteTable
from qwen_ocr_serve.guard.watchdog import end_when_hung
from qwen_ocr_serve.keys import Keys, WatchedKeys
from qwen_ocr_serve.settings import ServeSettings


class Guard:
    """Lets through what the table of routes allows, and nothing else.

    vLLM builds it without arguments beside the application, so it reads the settings itself: the
    launcher left them in the environment. Raises what reading settings and keys raises.
    """

    def __init__(self, app: ASGIApp) -> None:
        settings = ServeSettings()
        self._app = app
        self._keys = WatchedKeys(settings)
        self._routes = RouteTable(docs=settings.docs, open_metrics=settings.open_metrics)
        self._queue = Queue(settings.max_queued_requests, settings.max_concurrent_per_key)
        self._max_body = int(settings.max_body_mib * 2**20)
        most_bytes = int(settings.max_inflight_mib * 2**20)
        self._budget = ByteBudget(most_bytes, self._queue.retry_after)
        self._settings = settings
        self._garbage = Garbage()
        self._active: set[Exchange] = set()
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
            await self._answer(Exchange(scope, receive, send, self._queue), receive)

    async def _answer(self, exchange: Exchange, receive: Receive) -> None:
        self._active.add(exchange)
        token = current.set(exchange)
        try:
            await self._pass(exchange, receive)
        except Problem as problem:
            await exchange.refuse(problem)
        except Exception:
            if exchange.started:
                raise  # half an answer: only breaking the connection says so
            observe.logger.exception("request %s failed", exchange.request_id)
            await exchange.refuse(problems.internal_error())
        finally:
            current.reset(token)
            self._active.discard(exchange)
            self._report(exchange)

    async def _pass(self, exchange: Exchange, receive: Receive) -> None:
        scope, headers = exchange.scope, exchange.headers
        route = exchange.route = self._routes.find(scope["path"])
        if route is None:
            raise problems.not_found(scope["path"])
        preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        if scope["method"] not in route.methods and not preflight:
            raise problems.wrong_method(scope["method"], route.methods)
        keys = self._keys.current()
        if route.key and keys and not preflight:
            exchange.key_name = _owner(keys, headers.get("authorization"))
        if self._draining and route.key:
            raise problems.shutting_down()
        with ExitStack() as held:
            if route.engine:
                held.enter_context(self._queue.place(exchange.key_name))
            if scope["method"] == "POST":
                hold = held.enter_context(self._budget.share())
                if not await self._read(exchange, receive, hold):
                    return
            await self._run(exchange)

    async def _read(
        self, exchange: Exchange, receive: Receive, hold: Callable[[int], None]
    ) -> bool:
        """Read the body for the application; `False` if the caller went away before its end."""
        length = exchange.headers.get("content-length", "")
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
        exchange.replay(body)
        return True

    async def _run(self, exchange: Exchange) -> None:
        seconds = self._settings.request_timeout

        def expire() -> None:
            exchange.expire(problems.deadline_exceeded(seconds))

        left = max(seconds - exchange.seconds, 0)
        timer = asyncio.get_running_loop().call_later(left, expire)
        try:
            await self._app(exchange.application_scope(), exchange.receive, exchange.send)
        finally:
            timer.cancel()
        await exchange.finish()

    def _report(self, exchange: Exchange) -> None:
        route, problem = exchange.route, exchange.problem
        observe.finished(
            request_id=exchange.request_id,
            method=exchange.scope["method"],
            route=route.path if route else None,
            path=route.path if route else ascii(exchange.scope["path"])[:200],
            key_name=exchange.key_name,
            status=exchange.status,
            code=problem.code if problem else "",
            seconds=exchange.seconds,
        )

    def _drain_on_signals(self, state: Any) -> None:
        """Finish what has begun before anything is taken apart.

        vLLM begins with the parts that prepare requests, which those that have not reached the
        engine still need. So the HTTP server ends first, as it does when the engine dies: it closes
        its port, waits for the last answer, and then lets vLLM clean up. Ctrl-C waits for nothing.
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
        for exchange in self._active:
            exchange.expire(problems.shutting_down())


def _owner(keys: Keys, authorization: str | None) -> str:
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise problems.unauthorized(given=False)
    owner = keys.owner(secret.strip())
    if owner is None:
        raise problems.unauthorized(given=True)
    return owner
