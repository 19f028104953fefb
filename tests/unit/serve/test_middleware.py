"""The middleware around a small application, over real sockets.

What takes a real engine is tested against one, in tests/server. Here the application misbehaves in
ways that vLLM cannot be made to.
"""

import asyncio
import gc
import json
import logging
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from qwen_ocr_serve.http import context, garbage
from qwen_ocr_serve.http.context import RequestContext
from qwen_ocr_serve.http.middleware import Middleware
from qwen_ocr_serve.http.routes import GET, POST, PUT, RouteTable
from qwen_ocr_serve.http.routes import Route as Declared
from qwen_ocr_serve.settings import server_settings

CHAT = "/v1/chat/completions"
OCR = "/api/v1/ocr"
DOCUMENT = "/v1/ocr"
PROCESS = "/process"

Serve = Callable[..., AbstractContextManager[httpx2.Client]]


held = 0
"""Requests that the application has, and answers when their callers have gone."""


async def hold(request: Request) -> Response:
    global held
    held += 1
    try:
        return await until_gone(request)
    finally:
        held -= 1


async def chat(request: Request) -> Response:
    """Do as the body says."""
    body = await request.json()
    match body["do"]:
        case "echo":
            headers = {"X-Request-Id": "from-inside"}
            return JSONResponse({"id": request.headers.getlist("x-request-id")}, headers=headers)
        case "work":
            return await work(request)
        case "wait":
            return await hold(request)
        case "stream":
            return StreamingResponse(endless(), media_type="text/event-stream")
        case "some parts":
            return StreamingResponse(some_parts(), media_type="text/event-stream")
        case "fail in stream":
            return StreamingResponse(failing(), media_type="text/event-stream")
        case "error":
            return JSONResponse(body["body"], body["status"])
        case "crash":
            raise RuntimeError("secret of the server in /root/secret.py")
    raise AssertionError(body)


async def until_gone(request: Request) -> Response:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return JSONResponse(None)


async def work(request: Request) -> Response:
    """Answer, and meanwhile see whether the caller leaves, as vLLM does."""
    listener = asyncio.create_task(until_gone(request))
    await asyncio.sleep(0)
    listener.cancel()
    await asyncio.wait([listener])
    return JSONResponse(None)


async def endless() -> Any:
    while True:
        yield b'data: {"text": "..."}\n\n'
        await asyncio.sleep(0.02)


async def some_parts() -> Any:
    """Eight parts, 0.3 s apart."""
    for _ in range(8):
        await asyncio.sleep(0.3)
        yield b'data: {"text": "..."}\n\n'


async def failing() -> Any:
    yield b'data: {"text": "a"}\n\n'
    yield b'data: {"error": {"message": "EngineCore encountered an issue.", "code": 500}}\n\n'
    yield b"data: [DONE]\n\n"


async def ocr(request: Request) -> Response:
    raise RuntimeError("never mind")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Serve the application behind the middleware, with settings; gives a client."""

    @contextmanager
    def serving(**settings: object) -> Iterator[httpx2.Client]:
        for name, value in settings.items():
            monkeypatch.setenv(f"QWEN_OCR_{name.upper()}", str(value))
        app = Starlette(
            routes=[
                Route(CHAT, chat, methods=["POST"]),
                Route(OCR, ocr, methods=["POST"]),
                Route(DOCUMENT, chat, methods=["POST"]),
                Route(PROCESS, chat, methods=["PUT"]),
                Route("/tokenize", chat, methods=["POST"]),
                Route("/health", lambda request: JSONResponse({"status": "unhealthy"}, 503)),
                Route("/metrics", lambda request: Response("metrics")),
            ]
        )
        server_settings.cache_clear()
        app.state.ocr_routes = RouteTable(
            [
                Declared(CHAT, POST, limited=True),
                Declared(OCR, POST, limited=True, error_format="envelope"),
                Declared(DOCUMENT, POST, timed_by_part=True),
                Declared(PROCESS, PUT, api_key_header=True, error_format="detail"),
                Declared("/health", GET, key=False, error_format="own"),
                Declared("/metrics", GET),
                Declared("/docs", GET, key=False, documentation=True),
            ],
            docs=server_settings().docs,
            open_metrics=server_settings().open_metrics,
        )
        app.add_middleware(Middleware)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            # Signals belong to the main thread, where this server is not.
            config = uvicorn.Config(app, lifespan="off", log_level="warning")
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            port = listener.getsockname()[1]
            try:
                with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
                    yield client
            finally:
                server.should_exit = True
                thread.join(20)
                assert not thread.is_alive()

    return serving


def error(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    body = response.json()["error"]
    assert (response.status_code, body["code"]) == (status, code), response.text
    assert response.headers["x-request-id"] == body["request_id"]
    assert body["message"]
    assert set(body) == {"message", "type", "param", "code", "request_id"}
    return dict(body)


def raw(client: httpx2.Client, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send these bytes, with pauses, and return all that comes back."""
    address = (client.base_url.host, client.base_url.port or 0)
    with socket.create_connection(address, timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def test_a_key_is_asked_for_before_the_body_is_read(serve: Serve) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n" % CHAT.encode()
    with serve(api_keys="alice:wonder") as client:
        answer = raw(client, head + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "missing_api_key"),
        ("", "missing_api_key"),
        ("Bearer", "missing_api_key"),
        ("Basic YWxpY2U6d29uZGVy", "missing_api_key"),
        ("wonder", "missing_api_key"),
        ("Bearer wrong", "invalid_api_key"),
        ("Bearer wonder2", "invalid_api_key"),
        ("Bearer alice:wonder", "invalid_api_key"),
        ("Bearer Wonder", "invalid_api_key"),
    ],
)
def test_anything_but_a_key_is_401(serve: Serve, header: str | None, code: str) -> None:
    with serve(api_keys="alice:wonder") as client:
        headers = {} if header is None else {"Authorization": header}
        response = client.post(CHAT, json={"do": "echo"}, headers=headers)
    body = error(response, 401, code)
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert body["type"] == "authentication_error"


def test_every_key_opens_and_its_name_is_logged(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# staff\nbob:builder\n\n  carol : carolskey # new\n")
    with (
        serve(api_keys="alice:wonder", api_keys_file=keys) as client,
        caplog.at_level(logging.INFO, "vllm"),
    ):
        for secret in ("wonder", "builder", "carolskey"):
            headers = {"Authorization": f"bearer {secret}"}
            assert client.post(CHAT, json={"do": "echo"}, headers=headers).status_code == 200
        client.post(CHAT, json={"do": "echo"}, headers={"Authorization": "Bearer nonsense"})
    assert [record.key for record in caplog.records] == ["alice", "bob", "carol", None]  # type: ignore[attr-defined]
    for secret in ("wonder", "builder", "carolskey", "nonsense"):
        assert secret not in caplog.text


def test_what_is_not_listed_does_not_exist(serve: Serve) -> None:
    with serve() as client:
        for path in (
            "/tokenize",
            "/health/",
            "/v1//models",
            "/metrics/x",
            "/V1/models",
            "/static/",
        ):
            for method in ("GET", "POST", "DELETE", "OPTIONS"):
                error(client.request(method, path), 404, "not_found")
        error(client.post("/%2e%2e/health"), 404, "not_found")
        response = client.get(CHAT)
        error(response, 405, "method_not_allowed")
        assert response.headers["allow"] == "POST"


def test_a_route_may_take_keys_in_another_header(serve: Serve) -> None:
    key = {"X-Api-Key": "wonder"}
    with serve(api_keys="alice:wonder") as client:
        assert client.put(PROCESS, json={"do": "echo"}, headers=key).status_code == 200
        for headers in (key, {"Authorization": "Basic eDp5", **key}):
            error(client.post(CHAT, json={"do": "echo"}, headers=headers), 401, "missing_api_key")
        headers = {"Authorization": "Bearer wrong", **key}
        refused = client.put(PROCESS, json={"do": "echo"}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_api_key")
        assert set(refused.json()) == {"detail", "code", "request_id"}


def test_bodies_that_are_put_are_bounded(serve: Serve) -> None:
    with serve(max_body_mib=0.001) as client:
        answer = client.put(PROCESS, content=b"x" * 2000)
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


def test_web_pages_of_allowed_origins_may_read_errors(serve: Serve) -> None:
    allowed, other = {"Origin": "https://a.example"}, {"Origin": "https://b.example"}
    with serve(api_keys="alice:wonder", cors_origins="https://a.example") as client:
        answer = client.post(CHAT, json={}, headers=allowed)
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert answer.headers["vary"] == "Origin"
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
        for headers in (other, {}):
            answer = client.post(CHAT, json={}, headers=headers)
            assert "access-control-allow-origin" not in answer.headers
    with serve(cors_origins="*") as client:
        answer = client.post("/nowhere", headers=other)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (404, "*")


def test_metrics_need_a_key_unless_opened(serve: Serve) -> None:
    with serve(api_keys="alice:wonder") as client:
        error(client.get("/metrics"), 401, "missing_api_key")
    with serve(api_keys="alice:wonder", open_metrics=True) as client:
        assert client.get("/metrics").text == "metrics"


def test_an_unhealthy_answer_stays_as_it_is(serve: Serve) -> None:
    with serve() as client:
        response = client.get("/health")
    assert (response.status_code, response.json()) == (503, {"status": "unhealthy"})


def test_one_request_id_is_the_callers_or_a_new_one(serve: Serve) -> None:
    with serve() as client:
        for given in ("page-17", "a" * 128, "urn:uuid:1/2+3=4"):
            response = client.post(CHAT, json={"do": "echo"}, headers={"X-Request-Id": given})
            assert response.json() == {"id": [given]}
            assert response.headers.get_list("x-request-id") == [given]
        for given in ("", "a b", "a" * 129, "é".encode("latin-1").decode("latin-1"), "<script>"):
            headers = [(b"X-Request-Id", given.encode("latin-1"))]
            response = client.post(CHAT, json={"do": "echo"}, headers=headers)
            (used,) = response.json()["id"]
            assert used != given
            assert response.headers.get_list("x-request-id") == [used]


def test_a_large_body_is_refused_before_it_is_there(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "_LINGER", 0.1)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\n".encode()
    with serve(max_body_mib=0.01) as client:
        declared = raw(client, head + b"Content-Length: 1000000000\r\n\r\n")
        chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
        chunked = raw(client, head + b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, chunk)
    for answer in (declared, chunked):
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"request_too_large" in answer
        assert b"connection: close" in answer.lower()


def test_who_sends_a_large_body_to_its_end_gets_the_answer(serve: Serve) -> None:
    with serve(max_body_mib=0.01) as client:
        address = (client.base_url.host, client.base_url.port)
        for _ in range(5):
            with socket.create_connection(address, timeout=10) as sender:
                size = 5_000_000
                head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
                sender.sendall(head.encode())
                time.sleep(0.1)  # the answer comes now
                sender.sendall(b"x" * size)
                assert sender.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_come_is_408(serve: Serve) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode()
    with serve(body_timeout=0.3) as client:
        started = time.monotonic()
        answer = raw(client, head, b"{", b'"', b"d", pause=0.05)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"request_timeout" in answer
    assert time.monotonic() - started < 10


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def holding(client: httpx2.Client, count: int, image: str = "") -> Iterator[None]:
    """Requests that the application has until the block ends, when their callers leave."""
    body = json.dumps({"do": "wait", "image": image}).encode()
    key = client.headers.get("authorization", "")
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n"
    address = (client.base_url.host, client.base_url.port or 0)
    with ExitStack() as callers:
        for _ in range(count):
            caller = callers.enter_context(socket.create_connection(address, timeout=20))
            caller.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        until(lambda: held == count)
        yield


def until_answered(client: httpx2.Client, image: str = "") -> None:
    body = {"do": "echo", "image": image}
    until(lambda: client.post(CHAT, json=body).status_code == 200)


def test_a_full_queue_is_503_with_an_honest_wait(serve: Serve) -> None:
    with serve(max_requests=3) as client, holding(client, 3):
        response = client.post(CHAT, json={"do": "echo"})
        assert error(response, 503, "queue_full")["type"] == "server_error"
        assert 1 <= int(response.headers["retry-after"]) <= 60
        assert client.get("/metrics").status_code == 200


def test_bodies_share_a_budget_and_give_it_back(serve: Serve) -> None:
    large = "A" * (2**20 - 100)
    with serve(max_body_mib=1, max_inflight_mib=1.5) as client:
        with holding(client, 1, image=large):
            # From its length alone, and from what comes if the length is not told.
            response = client.post(CHAT, json={"do": "echo", "image": large})
            chunked = client.post(CHAT, content=iter([b"x" * 2**19, b"x" * 2**19]))
            for refused in (response, chunked):
                error(refused, 503, "no_room")
                assert 1 <= int(refused.headers["retry-after"]) <= 60
            assert client.post(CHAT, json={"do": "echo"}).status_code == 200
        until_answered(client, image=large)


def test_one_key_cannot_take_all_places(serve: Serve) -> None:
    with serve(api_keys="alice:wonder,bob:builder", max_requests_per_key=2) as client:
        client.headers["Authorization"] = "Bearer wonder"
        with holding(client, 2):
            response = client.post(CHAT, json={"do": "echo"})
            assert error(response, 429, "key_limit")["type"] == "rate_limit_error"
            assert int(response.headers["retry-after"]) >= 1
            headers = {"Authorization": "Bearer builder"}
            assert client.post(CHAT, json={"do": "echo"}, headers=headers).status_code == 200


def test_a_request_that_takes_too_long_is_504_and_not_to_be_retried(serve: Serve) -> None:
    with serve(request_timeout=0.3, max_requests=1) as client:
        response = client.post(CHAT, json={"do": "wait"})
        assert client.post(CHAT, json={"do": "echo"}).status_code == 200  # its place is free
    error(response, 504, "deadline_exceeded")
    assert response.headers["x-should-retry"] == "false"


def test_a_stream_that_takes_too_long_ends_with_an_error_event(serve: Serve) -> None:
    with serve(request_timeout=1.0) as client:
        response = client.post(CHAT, json={"do": "stream"})
    *pieces, last = response.text.strip().split("\n\n")
    assert response.status_code == 200
    assert len(pieces) > 2
    assert set(pieces) == {'data: {"text": "..."}'}
    told = json.loads(last.removeprefix("data: "))["error"]
    assert told["code"] == "deadline_exceeded"
    assert told["request_id"] == response.headers["x-request-id"]


def test_a_stream_of_pages_may_take_the_time_limit_for_each(serve: Serve) -> None:
    with serve(request_timeout=1.5) as client:
        whole = client.post(DOCUMENT, json={"do": "some parts"})
        limited = client.post(CHAT, json={"do": "some parts"})
    assert whole.text.count('"text"') == 8
    assert "deadline_exceeded" not in whole.text
    assert "deadline_exceeded" in limited.text


def test_an_error_in_a_stream_gets_code_and_request_id(serve: Serve) -> None:
    with serve() as client:
        response = client.post(CHAT, json={"do": "fail in stream"})
    first, second, third = response.text.strip().split("\n\n")
    told = json.loads(second.removeprefix("data: "))["error"]
    assert (first, third) == ('data: {"text": "a"}', "data: [DONE]")
    assert told["code"] == "engine_dead"
    assert told["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"error": {"message": "bad", "code": 400, "param": "n"}}, (400, "invalid_request")),
        (400, {"detail": "bad"}, (400, "invalid_request")),
        (400, "bad", (400, "invalid_request")),
        (404, {"error": {"message": "The model `x` does not exist."}}, (404, "model_not_found")),
        (503, {"error": {"message": "The engine is currently busy"}}, (503, "queue_full")),
        (500, {"error": {"message": "EngineCore encountered an issue."}}, (503, "engine_dead")),
        (500, {"error": {"message": "/root/secret.py"}}, (500, "internal_error")),
        (501, {"error": {"message": "not here"}}, (501, "failed")),
    ],
)
def test_the_applications_errors_get_code_and_request_id(
    serve: Serve, status: int, body: object, expected: tuple[int, str]
) -> None:
    with serve() as client:
        response = client.post(CHAT, json={"do": "error", "status": status, "body": body})
    told = error(response, *expected)
    assert "secret" not in told["message"]
    assert ("retry-after" in response.headers) == (expected[0] == 503)


def test_a_crash_is_500_and_tells_nothing(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    with serve() as client:
        response = client.post(CHAT, json={"do": "crash"})
        enveloped = client.post(OCR, json={})
        text = client.post(OCR, json={}, headers={"Accept": "text/plain"})
    told = error(response, 500, "internal_error")
    assert "secret" not in response.text
    assert f"request {told['request_id']} failed" in caplog.text
    envelope = enveloped.json()
    assert enveloped.status_code == 500
    assert set(envelope) == {"success", "data", "message", "timestamp", "request_id", "code"}
    assert (envelope["success"], envelope["code"]) == (False, "internal_error")
    assert text.headers["content-type"].startswith("text/plain")
    assert "internal_error" in text.text


def test_a_caller_who_leaves_frees_the_place(serve: Serve) -> None:
    with serve(max_requests=1) as client:
        with holding(client, 1):
            error(client.post(CHAT, json={"do": "echo"}), 503, "queue_full")
        until_answered(client)


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Let garbage in circles lie where it is, and look at new objects only."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (CHAT, '{"do": "work"}', 200),
        (CHAT, '{"do": "wait"}', 504),
        (CHAT, '{"do": "error", "status": 400, "body": {}}', 400),
        ("/nope", "{}", 404),
    ],
)
def test_a_request_leaves_nothing_behind(serve: Serve, path: str, body: str, status: int) -> None:
    with serve(request_timeout=0.3) as client:
        # A connection that is kept remembers its last request.
        response = client.post(path, content=body, headers={"connection": "close"})
        assert response.status_code == status
        deadline = time.monotonic() + 5
        while any(type(thing) is RequestContext for thing in gc.get_objects()):
            assert time.monotonic() < deadline, "a circle holds the request"
            time.sleep(0.05)


@pytest.mark.usefixtures("no_collection")
def test_circles_that_others_leave_are_collected_by_their_size(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "_EVERY", 1000)
    with serve() as client:
        circle = threading.Event()
        vars(circle)["itself"] = circle
        left = weakref.ref(circle)
        del circle
        client.post(CHAT, json={"do": "echo", "image": 500 * "x"})
        assert left() is not None
        client.post(CHAT, json={"do": "echo", "image": 500 * "x"})
        assert left() is None


def test_every_answer_has_the_security_headers(serve: Serve) -> None:
    with serve() as client:
        for response in (client.get("/nope"), client.post(CHAT, json={"do": "echo"})):
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["x-frame-options"] == "DENY"


async def test_a_websocket_is_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing to wait for")

    await Middleware(Starlette())({"type": "websocket", "path": "/v1/realtime"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
