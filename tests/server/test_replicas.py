"""Two real servers behind HAProxy. One start of them serves all tests here, in this order: the
first looks at a balancer whose servers are not ready, the last ends everything."""

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from tests.machine import consecutive_ports, group_exists

from qwen_ocr import OCRClient, Outcome
from qwen_ocr_serve.launch.local_server import LocalServer

pytestmark = pytest.mark.skipif(
    shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") is None,
    reason="haproxy is not installed",
)

ALICE = "key-of-alice"
CHAT, OCR = "/v1/chat/completions", "/api/v1/ocr"
NAMES = ("replica-0", "replica-1")
SHAPES = {
    CHAT: {"message", "type", "param", "code", "request_id"},
    OCR: {"success", "data", "message", "timestamp", "request_id", "code"},
}
START_TIMEOUT = 400.0
"""Seconds. A start takes 20 on two idle cores, and these do not have them for themselves."""
LINES = sorted(Path("tests/evaluation").glob("line-*.png"))


class Fleet(LocalServer):
    """`qwen-ocr serve --replicas 2`."""

    def pid(self, name: str) -> int:
        """The process that was started last under this name."""
        log = self.log.read_text(errors="replace")
        return int(re.findall(rf"{name} started as process (\d+)", log)[-1])

    def pids(self) -> set[int]:
        """Every process that was ever started."""
        log = self.log.read_text(errors="replace")
        return {int(pid) for pid in re.findall(r" started as process (\d+)", log)}

    def readied(self, name: str) -> int:
        """How often it has become ready."""
        return self.log.read_text(errors="replace").count(f"{name} is ready")

    def pages(self, name: str) -> int:
        """How many pages the server of this name has answered since it started."""
        url = f"http://127.0.0.1:{self.port + 1 + NAMES.index(name)}/metrics"
        metrics = httpx2.get(url, headers={"Authorization": f"Bearer {ALICE}"}, timeout=60).text
        counts = re.findall(
            rf'^qwen_ocr_requests_total{{.*route="{CHAT}",status="200"}} (\S+)', metrics, re.M
        )
        return int(sum(map(float, counts)))


@pytest.fixture(scope="module")
def starting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The fleet, from its very beginning."""
    log = tmp_path_factory.mktemp("replicas") / "log"
    env = {"QWEN_OCR_API_KEYS": f"alice:{ALICE}", "QWEN_OCR_MAX_BODY_MIB": "1"}
    with Fleet(log, ["--replicas", "2"], env, port=consecutive_ports(3)) as fleet:
        yield fleet


def eventually(condition: Callable[[], bool], fleet: Fleet, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, fleet.log_tail()
        assert fleet.process.poll() is None, fleet.log_tail()
        time.sleep(0.2)


def ready_again(fleet: Fleet, name: str, times: int) -> None:
    """Wait until the server has become ready for the so-manieth time."""
    eventually(lambda: fleet.readied(name) >= times, fleet, START_TIMEOUT)


@pytest.fixture(scope="module")
def fleet(starting: Fleet) -> Fleet:
    """The fleet with both servers ready."""
    for name in NAMES:
        ready_again(starting, name, 1)
    return starting


@pytest.fixture
def http(starting: Fleet) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {ALICE}"}
    with httpx2.Client(base_url=starting.base_url, timeout=120, headers=headers) as client:
        yield client


@pytest.fixture
def client(fleet: Fleet) -> Iterator[OCRClient]:
    with OCRClient(fleet.base_url, api_key=ALICE) as client:
        yield client


def assert_read(outcomes: Sequence[Outcome[Path]], count: int) -> None:
    """Every page has its text, none is missing."""
    assert sorted(outcome.index for outcome in outcomes) == list(range(count))
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    assert all(outcome.result and outcome.result.text for outcome in outcomes)


def test_without_a_server_everybody_is_told_to_wait(starting: Fleet, http: httpx2.Client) -> None:
    def listening() -> bool:
        try:
            return http.get("/health").status_code == 503
        except httpx2.ConnectError:
            return False

    eventually(listening, starting, 60)
    for path, shape in SHAPES.items():
        answer = http.post(path, json={}, headers={"X-Request-Id": "mine"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        error = answer.json().get("error", answer.json())
        assert set(error) == shape
        assert error["code"] == "unavailable"
        assert error["request_id"] == answer.headers["x-request-id"] == "mine"
    health = http.get("/health").json()
    assert (health["status"], health["model_loaded"]) == ("unhealthy", False)
    assert starting.readied(NAMES[0]) == 0, "too late to show anything"


def test_health_is_of_the_whole_and_shaped_alike(starting: Fleet, http: httpx2.Client) -> None:
    before = http.get("/health")
    ready_again(starting, NAMES[0], 1)
    assert before.status_code == 503
    assert starting.readied(NAMES[1]) == 0
    one = http.get("/health")
    assert one.status_code == 200
    assert set(before.json()) == set(one.json())
    assert before.json()["model"] == one.json()["model"]


def test_a_file_sent_to_one_server_is_there_for_the_other(
    fleet: Fleet, http: httpx2.Client
) -> None:
    sent = http.post("/v1/files", files={"file": Path("tests/samples/receipt.pdf").read_bytes()})
    document = {"type": "file", "file_id": sent.json()["id"]}
    headers = {"Authorization": f"Bearer {ALICE}"}
    for place, _ in enumerate(NAMES, 1):
        url = f"http://127.0.0.1:{fleet.port + place}/v1/ocr"
        answer = httpx2.post(url, json={"document": document}, headers=headers, timeout=120)
        assert "Espresso" in answer.json()["pages"][0]["markdown"]


def test_32_pages_at_a_time_are_spread_evenly(fleet: Fleet, client: OCRClient) -> None:
    for place, _ in enumerate(NAMES, 1):  # the first pages wait for the processes that cut them
        with OCRClient(f"http://127.0.0.1:{fleet.port + place}", api_key=ALICE) as one:
            assert_read(list(one.ocr_many(LINES, concurrency=16)), len(LINES))
    before = {name: fleet.pages(name) for name in NAMES}
    pages = LINES * 8
    assert_read(list(client.ocr_many(pages, concurrency=32)), len(pages))
    counts = [fleet.pages(name) - before[name] for name in NAMES]
    assert sum(counts) == len(pages)
    assert all(abs(count - len(pages) / 2) <= 0.2 * len(pages) / 2 for count in counts), counts


def test_keys_ids_and_limits_hold(fleet: Fleet, http: httpx2.Client, png_base64: str) -> None:
    text = {"type": "text", "text": "Read all the text in the image."}
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png_base64}"}}
    bodies: dict[str, dict[str, object]] = {
        CHAT: {"messages": [{"role": "user", "content": [image, text]}]},
        OCR: {"image": png_base64, "text": text["text"]},
    }
    for path, body in bodies.items():
        for key, status in (("", 401), ("Bearer wrong", 401), (f"Bearer {ALICE}", 200)):
            headers = {"X-Request-Id": f"mine-{status}", "Authorization": key}
            answer = http.post(path, json=body, headers=headers)
            assert answer.status_code == status
            assert answer.headers["x-request-id"] == f"mine-{status}"
        assert http.post(path, json=body).headers["x-request-id"]
        for harmful in ("a b", '"', "x" * 129):
            given = http.post(path, json={}, headers={"X-Request-Id": harmful})
            assert given.headers["x-request-id"] not in ("", harmful)
        large = http.post(path, content=b"x" * (2**20 + 1))
        assert large.status_code == 413
        assert large.json().get("error", large.json())["code"] == "request_too_large"
    assert http.get("/metrics", headers={"Authorization": ""}).status_code == 401
    assert http.get("/tokenize").status_code == 404


def test_a_killed_server_costs_no_page_and_comes_back(fleet: Fleet, client: OCRClient) -> None:
    killed, other = NAMES
    pages = LINES * 8
    outcomes: list[Outcome[Path]] = []
    for outcome in client.ocr_many(pages, concurrency=32, ordered=False):
        outcomes.append(outcome)
        if len(outcomes) == 16:
            os.kill(fleet.pid(killed), signal.SIGKILL)
    assert_read(outcomes, len(pages))
    assert fleet.readied(killed) == 1, "too late to show anything"
    assert httpx2.get(f"{fleet.base_url}/health", timeout=60).status_code == 200
    ready_again(fleet, killed, 2)
    assert fleet.pages(killed) == 0
    assert_read(list(client.ocr_many(LINES * 2, concurrency=32)), len(LINES) * 2)
    assert fleet.pages(killed) > 0
    assert fleet.readied(other) == 1


def test_a_rolling_restart_costs_no_page(fleet: Fleet, client: OCRClient) -> None:
    before = {name: fleet.readied(name) for name in NAMES}
    pids = {name: fleet.pid(name) for name in NAMES}
    done = threading.Event()

    def pages() -> Iterator[Path]:
        while not done.is_set():
            for line in LINES:
                yield line
                time.sleep(0.4)  # leaves the processors something for starting servers

    with ThreadPoolExecutor() as pool:
        reading = pool.submit(lambda: list(client.ocr_many(pages(), concurrency=32)))
        try:
            fleet.process.send_signal(signal.SIGHUP)
            for name in NAMES:
                ready_again(fleet, name, before[name] + 1)
        finally:
            done.set()
        outcomes = reading.result()
    assert_read(outcomes, len(outcomes))
    assert len(outcomes) > 32
    assert all(fleet.pid(name) != pids[name] for name in NAMES)
    log = fleet.log.read_text(errors="replace")
    steps = [(f"restarting {name}", f"{name} is ready") for name in NAMES]
    order = [log.rindex(step) for pair in steps for step in pair]
    assert order == sorted(order)


def test_sigterm_ends_everything_after_the_running_requests(
    fleet: Fleet, http: httpx2.Client
) -> None:
    request = {
        "messages": [{"role": "user", "content": "Go on."}],
        "max_tokens": 1000,
        "ignore_eos": True,
    }
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(http.post, CHAT, json=request) for _ in range(8)]
        time.sleep(0.5)
        assert not any(answer.done() for answer in answers), "too quick to show anything"
        fleet.process.send_signal(signal.SIGTERM)
        for answer in answers:
            assert answer.result().status_code == 200
            assert answer.result().json()["usage"]["completion_tokens"] == 1000
    assert fleet.wait_until_gone() == 0, fleet.log_tail()
    deadline = time.monotonic() + 10  # for who inherits orphans to notice their end
    for pid in fleet.pids():
        while group_exists(pid):
            assert time.monotonic() < deadline, pid
            time.sleep(0.1)
