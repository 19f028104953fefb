"""The load generator of the benchmarks, before a real server and before none."""

import math
from dataclasses import replace

import pytest
from load import chat, run

from qwen_ocr_serve.launch.local_server import LocalServer, free_port

TOKENS = 8


def test_answers_are_counted_and_a_refused_request_is_not(server: LocalServer, png: bytes) -> None:
    asked = chat("mini", png, TOKENS)
    refused = replace(asked, body=asked.body | {"messages": []})
    load = run(server.base_url + "/", [asked, refused, asked, asked], 2)
    assert (load.concurrency, load.failed) == (2, 1)
    assert load.tokens_per_second == pytest.approx(TOKENS * load.pages_per_second)
    assert 0 < load.p50 <= load.p95 <= load.p99 <= 3 / load.pages_per_second


def test_without_a_server_every_request_fails(png: bytes) -> None:
    load = run(f"http://127.0.0.1:{free_port()}", [chat("mini", png)] * 3, 2)
    assert (load.pages_per_second, load.tokens_per_second, load.failed) == (0.0, 0.0, 3)
    assert math.isnan(load.p50)
