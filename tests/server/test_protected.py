"""A server as it is exposed: keys, narrow limits, more callers than places, and its end."""

import asyncio
import base64
import io
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from tests.server import hostile

from qwen_ocr import AsyncOCRClient, AuthenticationError, BadRequestError, OCRClient
from qwen_ocr_serve.launch.local_server import LocalServer

CHAT = "/v1/chat/completions"
OCR = "/api/v1/ocr"
ALICE, BOB = "key-of-alice", "key-of-bob"
QUEUE = 32
RECEIPT = Path(__file__).parents[1] / "samples/receipt.pdf"
SETTINGS = {
    "QWEN_OCR_API_KEYS": f"alice:{ALICE}",
    "QWEN_OCR_MAX_REQUESTS": str(QUEUE),
    "QWEN_OCR_MAX_BODY_MIB": "1",
    "QWEN_OCR_MAX_IMAGE_PIXELS": "1000000",
    "QWEN_OCR_BODY_TIMEOUT": "20",
    "QWEN_OCR_DOCS": "false",
    # Names that lead to where no server should go. That they are allowed must not help.
    "QWEN_OCR_ALLOWED_IMAGE_HOSTS": "localhost,127.0.0.1,169.254.169.254,[::1],none.invalid",
}


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server on all addresses, with two keys from two sources."""
    folder = tmp_path_factory.mktemp("protected")
    keys = folder / "keys"
    keys.write_text(f"bob:{BOB}\n")
    arguments = ["--host", "0.0.0.0", "--api-keys-file", str(keys), "--log-format", "json"]
    with LocalServer(folder / "log", arguments, SETTINGS) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture
def alice(protected: LocalServer) -> Iterator[httpx2.Client]:
    """An HTTP client with a key."""
    headers = {"Authorization": f"Bearer {ALICE}"}
    with httpx2.Client(base_url=protected.base_url, timeout=120, headers=headers) as client:
        yield client


def chat(image: bytes, **fields: object) -> dict[str, object]:
    url = hostile.data_url(image)
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "Read all the text."},
    ]
    return {"messages": [{"role": "user", "content": content}], **fields}


def code(response: httpx2.Response) -> str:
    body = response.json()
    return str(body.get("error", body)["code"])


def test_every_route_but_the_probes_asks_for_a_key(protected: LocalServer) -> None:
    with httpx2.Client(base_url=protected.base_url, timeout=60) as nobody:
        for path in ("/health", "/"):
            assert nobody.get(path).status_code == 200, path
        for method, path in (
            *(("POST", CHAT), ("POST", "/v1/responses"), ("POST", OCR)),
            *(("GET", "/v1/models"), ("GET", "/metrics")),
        ):
            response = nobody.request(method, path)
            assert (response.status_code, code(response)) == (401, "missing_api_key"), path
            assert response.headers["www-authenticate"].startswith("Bearer")
        # vLLM has all of these, open beside its own key.
        for path in ("/docs", "/openapi.json", "/static/swagger-ui.css", "/tokenize", "/load"):
            assert nobody.get(path).status_code == 404, path
        for path in ("/invocations", "/tokenize", "/detokenize", "/generative_scoring", "/ping"):
            response = nobody.post(path, json={})
            assert (response.status_code, code(response)) == (404, "not_found"), path
        assert nobody.get("/").json()["docs"] is None


def test_the_client_with_and_without_a_key(protected: LocalServer, png: bytes) -> None:
    with OCRClient(protected.base_url, api_key=BOB) as client:
        assert client.ocr(png).text
    with (
        OCRClient(protected.base_url, api_key="wrong") as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.ocr(png)
    assert caught.value.code == "invalid_api_key"


def test_a_file_of_another_key_is_not_there(protected: LocalServer, alice: httpx2.Client) -> None:
    sent = alice.post("/v1/files", files={"file": RECEIPT.read_bytes()}).json()["id"]
    body = {"document": {"type": "file", "file_id": sent}}
    headers = {"Authorization": f"Bearer {BOB}"}
    with httpx2.Client(base_url=protected.base_url, timeout=60, headers=headers) as bob:
        assert bob.get("/v1/files").json()["data"] == []
        for answer in (
            bob.get(f"/v1/files/{sent}"),
            bob.get(f"/v1/files/{sent}/url"),
            bob.delete(f"/v1/files/{sent}"),
            bob.post("/v1/ocr", json=body),
        ):
            assert (answer.status_code, code(answer)) == (404, "file_not_found")
        # Whoever has a URL that its owner asked for may have it, without a key as well.
        url = alice.get(f"/v1/files/{sent}/url").json()["url"]
        assert httpx2.get(url).content == RECEIPT.read_bytes()
    assert alice.post("/v1/ocr", json=body).status_code == 200


def test_an_error_can_be_followed_into_the_log(protected: LocalServer) -> None:
    image = Image.new("L", (64, 64), 255)
    with (
        OCRClient(protected.base_url, api_key=BOB, model="nobody") as client,
        pytest.raises(BadRequestError) as caught,
    ):
        client.ocr(image)
    assert caught.value.code == "model_not_found"
    assert caught.value.request_id
    line = logged(protected, caught.value.request_id)
    assert '"key": "bob"' in line
    assert '"code": "model_not_found"' in line


def logged(server: LocalServer, request_id: str) -> str:
    """The log line of a request, which is written once the answer is on its way."""
    deadline = time.monotonic() + 20
    while True:
        for line in server.log.read_text(errors="replace").splitlines(keepends=True):
            if request_id in line and line.endswith("\n"):
                return line
        assert time.monotonic() < deadline, server.log_tail()
        time.sleep(0.1)


def test_limits_of_size(alice: httpx2.Client) -> None:
    buffer = io.BytesIO()
    Image.new("L", (1001, 1000), 255).save(buffer, "PNG")
    response = alice.post(CHAT, json=chat(buffer.getvalue()))
    assert (response.status_code, code(response)) == (400, "image_too_large")
    assert "1001 x 1000" in response.text
    response = alice.post(CHAT, content=b"x" * (2**20 + 1))
    assert (response.status_code, code(response)) == (413, "request_too_large")
    response = alice.post(CHAT, json=chat(b"") | {"messages": chat(b"")["messages"] * 9})  # type: ignore[operator]
    assert (response.status_code, code(response)) == (400, "too_many_images")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        *(
            (url, "media_url_not_allowed")
            for url in ("http://localhost/", "http://127.0.0.1/x.png")
        ),
        ("http://169.254.169.254/latest/meta-data/", "media_url_not_allowed"),
        ("http://[::1]/", "media_url_not_allowed"),
        ("http://example.com/a.png", "media_url_not_allowed"),
        ("http://none.invalid/a.png", "media_fetch_failed"),
        ("file:///etc/passwd", "invalid_image"),
    ],
)
def test_an_allowed_name_does_not_open_private_addresses(
    alice: httpx2.Client, url: str, expected: str
) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "x"}]
    response = alice.post(CHAT, json={"messages": [{"role": "user", "content": content}]})
    assert (response.status_code, code(response)) == (400, expected)


@pytest.mark.parametrize("url", hostile.FORBIDDEN_URLS)
def test_no_spelling_of_a_private_address_is_fetched(alice: httpx2.Client, url: str) -> None:
    response = alice.post(OCR, json={"image": url, "text": "x"})
    assert response.status_code == 400
    assert code(response) in ("media_url_not_allowed", "invalid_image")


def test_metrics_count_by_key_and_hold_no_secret(alice: httpx2.Client) -> None:
    text = alice.get("/metrics").text
    assert "vllm:num_requests_running" in text
    assert re.search(r'qwen_ocr_requests_total\{.*key="alice".*status="400".*\} [1-9]', text)
    assert "\nhttp_request" not in text, "requests are counted twice"
    assert "qwen_ocr_request_seconds_bucket" in text
    assert ALICE not in text
    assert BOB not in text


async def test_overload_answers_or_refuses_everybody(protected: LocalServer, png: bytes) -> None:
    # 2,000 requests, four times as many at once as there are places, and a client beside them.
    body = chat(png, max_tokens=2)
    headers = {"Authorization": f"Bearer {ALICE}"}
    gate = asyncio.Semaphore(4 * QUEUE)
    outcomes: Counter[tuple[int, str]] = Counter()
    unlimited = httpx2.Limits(max_connections=None)
    async with (
        httpx2.AsyncClient(
            base_url=protected.base_url, timeout=300, headers=headers, limits=unlimited
        ) as http,
        AsyncOCRClient(protected.base_url, api_key=BOB, max_retries=20) as client,
    ):

        async def one() -> None:
            async with gate:
                response = await http.post(CHAT, json=body)
            outcome = "" if response.status_code == 200 else code(response)
            outcomes[response.status_code, outcome] += 1
            if response.status_code == 503:
                assert 1 <= int(response.headers["retry-after"]) <= 60
            else:
                assert response.json()["usage"]["completion_tokens"] == 2

        async def pages() -> list[object]:
            many = client.ocr_many([png] * 20, concurrency=8)
            return [outcome.error async for outcome in many]

        errors, *_ = await asyncio.gather(pages(), *(one() for _ in range(2000)))
    assert errors == [None] * 20
    assert set(outcomes) == {(200, ""), (503, "queue_full")}, outcomes
    assert sum(outcomes.values()) == 2000


def test_a_caller_who_leaves_stops_the_work(alice: httpx2.Client, png: bytes) -> None:
    endless = chat(png, max_tokens=8000, ignore_eos=True)
    with pytest.raises(httpx2.ReadTimeout):
        alice.post(CHAT, json=endless, timeout=2)
    with alice.stream("POST", CHAT, json={**endless, "stream": True}) as stream:
        next(stream.iter_lines())
    deadline = time.monotonic() + 20
    while (health := alice.get("/health").json())["concurrent_requests"] + health["queued"]:
        assert time.monotonic() < deadline, health
        time.sleep(0.1)


def test_no_key_and_no_image_is_in_the_log(protected: LocalServer, png: bytes) -> None:
    text = protected.log.read_text(errors="replace")
    for secret in (ALICE, BOB, base64.b64encode(png).decode()[:60]):
        assert secret not in text


def test_no_key_is_in_any_command_line(protected: LocalServer) -> None:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) == protected.process.pid:
                command = (process / "cmdline").read_bytes()
                assert ALICE.encode() not in command
                assert BOB.encode() not in command
        except (ProcessLookupError, FileNotFoundError):
            continue  # it has ended meanwhile


def test_sigterm_answers_everybody_and_takes_nobody_new(
    protected: LocalServer, alice: httpx2.Client
) -> None:
    # The last test here, because it ends the server.
    request = {
        "messages": [{"role": "user", "content": "Go on."}],
        "max_tokens": 300,
        "ignore_eos": True,
    }
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(alice.post, CHAT, json=request) for _ in range(20)]
        deadline = time.monotonic() + 60
        while alice.get("/health").json()["concurrent_requests"] < 20:
            assert time.monotonic() < deadline
            assert not any(answer.done() for answer in answers)
        protected.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        try:
            late = httpx2.post(
                f"{protected.base_url}{CHAT}", json=request, headers=dict(alice.headers)
            )
        except httpx2.ConnectError:
            pass  # the port is closed
        else:
            assert (late.status_code, code(late)) == (503, "shutting_down")
        assert not any(answer.done() for answer in answers), "too quick to show anything"
        for answer in answers:
            assert answer.result().status_code == 200, answer.result().text
            assert answer.result().json()["usage"]["completion_tokens"] == 300
    assert protected.wait_until_gone() == 0, protected.log_tail()
