"""A real Prometheus that scrapes the real server, with the configuration of the deployment."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from qwen_ocr_serve.launch.local_server import LocalServer, free_port

DEPLOY = Path(__file__).parents[2] / "serve" / "deploy"


class Prometheus:
    """Answers queries."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of Prometheus's HTTP interface."""
        url = f"{self.base_url}/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has at this moment."""
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result


def _configuration(server: LocalServer, directory: Path) -> Path:
    """The deployment's own, less the names and the key of its containers."""
    configuration = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    [job] = configuration["scrape_configs"]
    del job["dns_sd_configs"], job["authorization"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{server.port}"]}]
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    shutil.copy(DEPLOY / "prometheus" / "rules.yml", directory)
    path = directory / "prometheus.yml"
    path.write_text(yaml.safe_dump(configuration))
    return path


@pytest.fixture(scope="session")
def prometheus(
    server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Prometheus on a free port; the test is skipped where it is not installed."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed")
    directory = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    process = subprocess.Popen(
        [
            program,
            f"--config.file={_configuration(server, directory)}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        client = Prometheus(port)
        _wait_until_scraped(client)
        yield client
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_scraped(client: Prometheus) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if client.query('up{job="qwen-ocr"} == 1'):
                return
        except OSError:
            pass  # it is still starting
        time.sleep(0.5)
    raise AssertionError("Prometheus does not scrape the server")
