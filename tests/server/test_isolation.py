"""One caller cannot hurt another: not by a request that fails, nor by one that costs too much."""

import asyncio
import base64
import json
import os
import time
from pathlib import Path

import httpx2
import processes
import pytest
from heavy import CHAT, REFUSALS, RESPONSES, Heavy, chat, heavy_requests
from tests.server import hostile
from tests.server.watching import others_served
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest

from qwen_ocr_serve.launch.local_server import LocalServer

ABORTS = 40
# A wait of each test is the server's, not of a whole test run beside it.
HEAVY = {heavy.name: heavy for heavy in heavy_requests("data:image/png;base64,AAAA")}
BUSY = {"30 bodies of 30 MiB"}
"""What may be answered with 503, because it is the number that is too large."""


@pytest.fixture(scope="module")
def url(png_base64: str) -> str:
    return "data:image/png;base64," + png_base64


@pytest.mark.parametrize("fields", REFUSALS.values(), ids=REFUSALS)
def test_a_refused_request_spoils_nothing(
    http: httpx2.Client, url: str, fields: dict[str, object]
) -> None:
    refused = http.post(CHAT, json=chat(url, **fields))
    assert refused.status_code == 400, refused.text
    again = http.post(CHAT, json=chat(url))
    assert again.status_code == 200, again.text


async def test_an_abandoned_request_spoils_nothing(base_url: str, url: str) -> None:
    """Given up at moments from before it is read until after its answer."""
    async with httpx2.AsyncClient(base_url=base_url, timeout=60) as http:
        began = time.perf_counter()
        answer = await http.post(CHAT, json=chat(url, max_tokens=100))
        whole = time.perf_counter() - began
        assert answer.status_code == 200
        for number in range(ABORTS):
            call = asyncio.create_task(http.post(CHAT, json=chat(url, max_tokens=100)))
            await asyncio.sleep(1.2 * whole * number / ABORTS)
            call.cancel()
            await asyncio.wait([call])
            again = await http.post(CHAT, json=chat(url))
            assert again.status_code == 200, (number, again.text)


@pytest.mark.parametrize("heavy", HEAVY.values(), ids=HEAVY)
async def test_a_costly_request_costs_others_nothing(base_url: str, url: str, heavy: Heavy) -> None:
    body = heavy.body()
    headers = {"Content-Type": "application/json"}
    with others_served(base_url, chat(url)):
        async with httpx2.AsyncClient(base_url=base_url, timeout=60) as http:
            answers = await asyncio.gather(
                *(http.post(heavy.path, content=body, headers=headers) for _ in range(heavy.copies))
            )
    for answer in answers:
        if heavy.name in BUSY and answer.status_code == 503:
            assert answer.json()["error"]["code"] == "no_room"
            assert int(answer.headers["retry-after"]) >= 1
            continue
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["code"] in (
            *("unsupported_parameter", "request_too_complex", "request_too_large", "invalid_image"),
        )
        assert len(answer.content) < 3000


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        (CHAT, chat("IMAGE", max_tokens=1), ChatCompletionRequest.model_fields),
        (RESPONSES, {"input": "x", "max_output_tokens": 1}, ResponsesRequest.model_fields),
    ],
    ids=["chat", "responses"],
)
async def test_any_value_of_any_parameter(
    base_url: str, url: str, path: str, body: dict[str, object], fields: dict[str, object]
) -> None:
    """Every field of vLLM's own request classes with every odd value: 2,000 requests and more."""
    requests = [
        json.dumps({**body, name: value}).replace("IMAGE", url).encode()
        for name in (*fields, "no such parameter")
        for value in hostile.ODD_VALUES
    ]
    assert len(requests) > 1000
    headers = {"Content-Type": "application/json"}
    waiting = list(enumerate(requests))
    with others_served(base_url, chat(url)):
        async with httpx2.AsyncClient(base_url=base_url, timeout=60) as http:

            async def send() -> None:
                while waiting:
                    number, content = waiting.pop()
                    answer = await http.post(path, content=content, headers=headers)
                    shown = (number, content[:300], answer.text[:300])
                    if answer.status_code != 200:
                        assert 400 <= answer.status_code < 500, shown
                        assert answer.json()["error"]["code"], shown
                        assert len(answer.content) < 3000, shown
                    elif answer.headers["content-type"].startswith("text/event-stream"):
                        assert b'"error"' not in answer.content, shown

            await asyncio.gather(*(send() for _ in range(8)))


async def test_memory_stays_within_the_budget(tmp_path: Path) -> None:
    """100 uploads of 30 MiB at once, with right and wrong keys, as JSON and as forms."""
    budget = 128
    settings = {"QWEN_OCR_API_KEYS": "a:right", "QWEN_OCR_MAX_INFLIGHT_MIB": str(budget)}
    json_body = json.dumps(chat("data:image/png;base64," + "A" * (30 * 2**20))).encode()
    form = {"image": b"\x89PNG" + b"A" * (30 * 2**20)}
    with LocalServer(tmp_path / "log", env=settings) as server:
        server.wait_until_ready()
        before = processes.memory(server.process.pid)
        with processes.watched(server.process.pid, every=0.2) as usage:
            async with httpx2.AsyncClient(base_url=server.base_url, timeout=120) as http:

                async def send(number: int) -> int:
                    key = "right" if number % 4 else "wrong"
                    headers = {"Authorization": f"Bearer {key}"}
                    try:
                        if number % 2:
                            answer = await http.post(CHAT, content=json_body, headers=headers)
                        else:
                            answer = await http.post("/api/v1/ocr", files=form, headers=headers)
                    except httpx2.HTTPError:
                        return 0  # the connection was closed while the rest was being sent
                    return answer.status_code

                statuses = await asyncio.gather(*(send(number) for number in range(100)))
                health = await http.get("/health")
        assert health.status_code == 200
        assert set(statuses) <= {0, 400, 401, 415, 503}
        assert 503 in statuses
        # The body, its text, what is decoded from it, and one copy more.
        assert usage.peak_mib - before < 4 * budget


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_an_engine_does_not_outlive_its_server(tmp_path: Path, method: str) -> None:
    env = {"VLLM_WORKER_MULTIPROC_METHOD": method}
    with LocalServer(tmp_path / "log", env=env) as server:
        server.wait_until_ready()
        assert len(processes.members(server.process.pid)) > 1
        server.process.kill()
        server.process.wait()
        deadline = time.monotonic() + 5
        while server.alive():
            assert time.monotonic() < deadline, processes.members(server.process.pid)
            time.sleep(0.1)


def test_a_key_that_is_taken_out_of_the_file_ends(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("alice:one\nbob:two\n")
    with LocalServer(tmp_path / "log", ["--api-keys-file", str(keys)]) as server:
        server.wait_until_ready()
        with httpx2.Client(base_url=server.base_url, timeout=60) as http:

            def status(key: str) -> int:
                return http.get(
                    "/v1/models", headers={"Authorization": f"Bearer {key}"}
                ).status_code

            assert status("one") == status("two") == 200
            keys.write_text("bob:two\ncarol:three\n")
            os.utime(keys)
            time.sleep(1.1)
            assert [status(key) for key in ("one", "two", "three")] == [401, 200, 200]
            keys.write_text("no key at all")
            time.sleep(1.1)
            assert [status(key) for key in ("one", "two", "three")] == [401, 200, 200]
        assert "the keys stay as they were" in server.log.read_text()


def test_a_web_page_of_another_origin_is_told(http: httpx2.Client) -> None:
    headers = {
        "Origin": "https://example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = http.options(CHAT, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "origin_not_allowed")
    assert "other origins" in answer.json()["error"]["message"]
    assert "access-control-allow-origin" not in answer.headers


def test_base64_is_not_text(http: httpx2.Client, png: bytes) -> None:
    """An image of any size is not counted with the characters beside it."""
    padded = base64.b64encode(png + b"\0" * 4_000_000).decode()
    answer = http.post(CHAT, json=chat("data:image/png;base64," + padded))
    assert answer.status_code == 200, answer.text
