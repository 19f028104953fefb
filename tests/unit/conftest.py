"""Fixtures for the client's tests: images, and a server that misbehaves on demand."""

import asyncio
import io
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from qwen_ocr import AsyncOCRClient, AsyncOCRStream, OCRClient, OCRResult, OCRStream

MODEL = "Qwen/Qwen3-VL-8B-Instruct"
DEADLINE = 10.0
"""Seconds after which the fake server gives up on anything, so that no test can hang on it."""


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False
    """Promise more bytes than are sent, then close the connection."""


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


def completion(text: str = "TOTAL 12.50", finish_reason: str = "stop", **changes: Any) -> bytes:
    """A chat completion as vLLM writes it, as far as a client can tell."""
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": finish_reason,
                "stop_reason": None,
            }
        ],
        "usage": {"prompt_tokens": 70, "completion_tokens": 5, "total_tokens": 75},
    }
    return json.dumps(answer | changes).encode()


def events(*chunks: object, done: bool = True) -> bytes:
    """Server-sent events as vLLM streams them; a string is the text of one chunk."""
    lines = []
    for chunk in chunks:
        if isinstance(chunk, str):
            chunk = {"choices": [{"index": 0, "delta": {"content": chunk}}]}
        if isinstance(chunk, dict) and "choices" in chunk:
            chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": MODEL} | chunk
        lines.append(f"data: {json.dumps(chunk)}")
    return "\n\n".join([*lines, *["data: [DONE]"] * done, ""]).encode()


def last_event(finish_reason: str = "stop") -> dict[str, Any]:
    """The chunk that says why the text ended."""
    return {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": finish_reason}]}


def _content(headers: dict[str, str], body: bytes) -> Any:
    """The body's JSON, or the bytes of a form."""
    if headers.get("content-type", "").startswith("multipart/form-data"):
        return body
    return json.loads(body) if body else None


class FakeServer:
    """A fake, for the faults that a real server cannot be made to show on demand.

    It answers every chat request with the next of `answers` (the last one over and over) and
    `/v1/models` with `models`, `/health` with `health`, `/v1/ocr` with `documents` if that is set,
    and keeps what it was sent in `requests`.
    What a healthy server does is tested against a real one, elsewhere.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers = [Answer(body=completion(), headers={"x-request-id": "req-1"})]
        self.documents: Answer | None = None
        self.health = Answer(status=404)
        self.models = Answer(body=json.dumps({"data": [{"id": MODEL}]}).encode())
        self.released = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            timeout = DEADLINE

            def handle_any(self) -> None:
                # A caller may leave while it is answered; a traceback would be in its output.
                with suppress(ConnectionError):
                    fake.handle(self)

            def log_message(self, *args: object) -> None:
                """Say nothing: tests read their own output."""

        for method in ("GET", "POST"):
            setattr(Handler, f"do_{method}", Handler.handle_any)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def answer(self, body: bytes = b"", **faults: Any) -> None:
        """Answer every chat request like this."""
        self.answers = [Answer(body=body, **faults)]

    def answer_documents(self, *pages: object, **faults: Any) -> None:
        """Answer every request about a document with these pages, or with a fault."""
        last = {"model": MODEL, "usage_info": {"pages_processed": len(pages)}}
        whole = Answer(body=events(*pages, last), content_type="text/event-stream")
        self.documents = Answer(**faults) if faults else whole

    def answer_first(self, body: bytes, **faults: Any) -> None:
        """Answer the next chat request like this, and the ones after it as before."""
        self.answers.insert(0, Answer(body=body, **faults))

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append(
            Request(handler.command, handler.path, headers, _content(headers, body))
        )
        if handler.path.endswith("/models"):
            answer = self.models
        elif handler.path == "/health":
            answer = self.health
        elif handler.path == "/v1/ocr" and self.documents:
            answer = self.documents
        else:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.released.wait(answer.delay)
        handler.send_response(answer.status)
        handler.send_header("content-type", answer.content_type)
        handler.send_header("content-length", str(len(answer.body) + 100 * answer.cut))
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer.body)

    @property
    def chats(self) -> list[Any]:
        return [request.body for request in self.requests if request.method == "POST"]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    thread = threading.Thread(target=fake.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield fake
    fake.released.set()
    fake.http.shutdown()
    fake.http.server_close()
    thread.join(DEADLINE)
    assert not thread.is_alive()


@pytest.fixture
def dead_url() -> str:
    """An address where nothing listens: a port that was free a moment ago."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as http:
        return f"http://127.0.0.1:{http.server_address[1]}"


@pytest.fixture(scope="session")
def no_certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, no_certificates: Path) -> None:
    for name in os.environ:
        if name.startswith(("QWEN_OCR_", "OPENAI_")):
            monkeypatch.delenv(name)
    # No server here has TLS. Reading the system's certificates costs every new client 25 ms.
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(no_certificates))


Call = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Calls a method of a fresh client of either kind: `call(url, "ocr", image, prompt, …)`.

    What is iterated over comes back as a list; a stream as that list and its result.
    """

    def settings(client: dict[str, Any] | None) -> dict[str, Any]:
        return {"max_retries": 0, "model": MODEL} | (client or {})

    def call_sync(url: str, method: str, *args: Any, client: Any = None, **options: Any) -> Any:
        with OCRClient(url, **settings(client)) as ocr:
            value = getattr(ocr, method)(*args, **options)
            if isinstance(value, OCRStream):
                return list(value), value.result
            return list(value) if isinstance(value, Iterator) else value

    def call_async(url: str, method: str, *args: Any, client: Any = None, **options: Any) -> Any:
        async def run() -> Any:
            async with AsyncOCRClient(url, **settings(client)) as ocr:
                value = getattr(ocr, method)(*args, **options)
                if isinstance(value, AsyncOCRStream):
                    return [piece async for piece in value], value.result
                if isinstance(value, AsyncIterator):
                    return [outcome async for outcome in value]
                return await value

        return asyncio.run(run())

    return call_sync if request.param == "sync" else call_async


@pytest.fixture
def ask(call: Call) -> Callable[..., OCRResult]:
    """Reads one image with a fresh client of either kind: `ask(url, image, prompt, **options)`."""
    return lambda url, *args, **options: call(url, "ocr", *args, **options)


@pytest.fixture(scope="session")
def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "white").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def answered() -> Callable[..., bytes]:
    return completion


@pytest.fixture
def streamed() -> Callable[..., bytes]:
    """The body of a streamed answer: `streamed("Total", " 5", finish_reason="length")`."""

    def body(*chunks: object, finish_reason: str | None = "stop") -> bytes:
        usage = {"choices": [], "usage": {"prompt_tokens": 70, "completion_tokens": 5}}
        end = [last_event(finish_reason), usage] if finish_reason else []
        return events(*chunks, *end, done=bool(end))

    return body


@pytest.fixture
def within() -> Iterator[None]:
    """Fails a test that took longer than the deadline, which is a hang that ended by luck."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < DEADLINE
