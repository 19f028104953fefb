"""HAProxy, when none of its servers can answer, answers as they would: for every declared route.

It cannot ask the servers what their routes are, so its file names the paths of some. A route with
another error format than OpenAI's that is not named there fails here.
"""

import json
import os
import pkgutil
import shutil
import subprocess
import time
from collections.abc import Iterator
from importlib import import_module

import httpx2
import pytest
from tests.machine import consecutive_ports

from qwen_ocr_serve import api
from qwen_ocr_serve.api.health import Health
from qwen_ocr_serve.http.error_formats import error_body
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.http.routes import Route
from qwen_ocr_serve.replicas import balancer
from qwen_ocr_serve.settings import ServeSettings

pytestmark = pytest.mark.skipif(
    shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin") is None,
    reason="haproxy is not installed",
)
ERROR = APIError(503, "unavailable", "no server can answer at the moment: try again soon")


def declared() -> Iterator[Route]:
    """Every route that a module of `api/` declares with a fixed path."""
    for module in pkgutil.iter_modules(api.__path__):
        routes = getattr(import_module(f"{api.__name__}.{module.name}"), "ROUTES", ())
        yield from (route for route in routes if "(" not in route.path)


ROUTES = list(declared())


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """HAProxy with two servers that do not exist."""
    folder = tmp_path_factory.mktemp("haproxy")
    settings = ServeSettings(replicas=2, port=consecutive_ports(3), model='my "model"')
    (folder / balancer.SERVERS_FILE).write_text(balancer.servers_file(settings, folder) + "\n")
    launch = balancer.launch(settings, folder, os.environ)
    process = subprocess.Popen(
        launch.argv, env={**os.environ, **launch.env}, stdout=subprocess.DEVNULL
    )
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=30) as client:
            deadline = time.monotonic() + 60
            while True:
                try:
                    client.get("/health")
                except httpx2.ConnectError:
                    assert time.monotonic() < deadline
                else:
                    break
            yield client
    finally:
        process.terminate()
        process.wait(30)


def test_the_routes_were_found() -> None:
    assert {route.error_format for route in ROUTES} == {"openai", "envelope", "detail", "own"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_its_errors_have_the_format_of_the_route(alone: httpx2.Client, route: Route) -> None:
    (method, *_) = sorted(route.methods)
    answer = alone.request(method, route.path, headers={"X-Request-Id": "mine"})
    body = answer.json()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["x-request-id"] == "mine"
    if route.error_format == "own":
        assert route.path == "/health", "the only one that HAProxy knows the answer of"
        health = Health.model_validate(body)
        assert (health.status, health.model) == ("unhealthy", 'my "model"')
        assert body.keys() == Health.model_fields.keys()
        return
    expected = json.loads(error_body(ERROR, route.error_format, "mine", "")[1])
    assert body.pop("timestamp", "").endswith("Z") == ("timestamp" in expected)
    expected.pop("timestamp", None)
    assert body == expected
