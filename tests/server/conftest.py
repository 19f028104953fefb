"""Ways to reach the real server."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from qwen_ocr_serve.launch.local_server import LocalServer


@pytest.fixture(scope="session")
def base_url(server: LocalServer) -> str:
    """The server's root, without a slash at the end."""
    return server.base_url


@pytest.fixture(scope="session")
def server_log(server: LocalServer) -> Path:
    """Everything the server has printed."""
    return server.log


@pytest.fixture
def http(base_url: str) -> Iterator[httpx2.Client]:
    """A plain HTTP client; paths are relative to the server's root."""
    with httpx2.Client(base_url=base_url, timeout=60) as client:
        yield client
