"""`qwen-ocr mcp` against the real server, with the package's own client."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from qwen_ocr_serve.launch.local_server import free_port

SAMPLES = Path(__file__).parents[1] / "samples"
KEY = "opensesame"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with documents, and links out of it."""
    root = tmp_path / "open"
    (root / "scans").mkdir(parents=True)
    shutil.copy(SAMPLES / "receipt.pdf", root / "scans")
    line = Image.open(SAMPLES / "line.png").convert("RGB")
    receipt = Image.open(SAMPLES / "receipt.png").convert("RGB")
    line.save(root / "two.tif", save_all=True, append_images=[receipt])
    secret = tmp_path / "secret.png"
    shutil.copy(SAMPLES / "receipt.png", secret)
    (root / "link.png").symlink_to(secret)
    (root / "up").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    return root


@pytest.fixture
def stdio(base_url: str, folder: Path) -> StdioServerParameters:
    arguments = ["-m", "qwen_ocr_serve.cli", "mcp", "--root", str(folder)]
    return StdioServerParameters(
        command=sys.executable,
        args=arguments,
        env={**os.environ, "QWEN_OCR_BASE_URL": base_url},
        cwd=folder.parent,
    )


def text_of(result: Any) -> str:
    (content,) = result.content
    return str(content.text)


async def test_an_agent_reads_a_document(stdio: StdioServerParameters) -> None:
    notes: list[tuple[float, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        notes.append((progress, message))

    async with Client(stdio_client(stdio)) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"read_document", "extract", "search_document"}
        read = await client.call_tool("read_document", {"path": "two.tif"}, progress_callback=note)
        text = text_of(read)
        assert not read.is_error
        assert text.startswith("<!-- page 1 -->\n\n")
        assert "\n\n<!-- page 2" in text
        assert "Espresso" in text.partition("<!-- page 2")[2]
        assert notes == [(1, "page 1 is read"), (2, "page 2 is read")]
        second = await client.call_tool("read_document", {"path": "two.tif", "pages": "2"})
        assert text_of(second).startswith("<!-- page 2")
        found = await client.call_tool(
            "search_document", {"path": "scans/receipt.pdf", "words": "oat  MILK"}
        )
        (match,) = found.structured_content["matches"]
        assert match["page"] == 1
        assert "Oat milk" in match["text"]
        assert match["box"][0] < match["box"][2]
        none = await client.call_tool(
            "search_document", {"path": "scans/receipt.pdf", "words": "Champagne"}
        )
        assert none.structured_content == {"matches": [], "unread_pages": []}


async def test_an_agent_reads_nothing_outside_of_the_folder(
    stdio: StdioServerParameters, folder: Path
) -> None:
    names = [
        *("../secret.png", "link.png", "up/secret.png", str(folder.parent / "secret.png")),
        *("pipe", "scans", "/etc/hostname", "/proc/self/environ", "none.png", "a\0b", "~/x"),
        "file:///etc/hostname",
    ]
    async with Client(stdio_client(stdio)) as client:
        for name in names:
            for tool in ("read_document", "extract"):
                more: dict[str, Any] = {"schema": {}} if tool == "extract" else {}
                result = await client.call_tool(tool, {"path": name, **more})
                assert result.is_error, name
                assert text_of(result).endswith(f"{name}: there is no such file in {folder}")
        # A path within the folder may be written as a whole, too.
        path = str(folder / "scans" / "receipt.pdf")
        result = await client.call_tool("search_document", {"path": path, "words": "Espresso"})
        assert result.structured_content["matches"]


async def test_an_agent_is_told_what_is_wrong(stdio: StdioServerParameters, folder: Path) -> None:
    (folder / "text.png").write_text("no image")
    schema = {"type": "object", "properties": {"total": {"type": "string"}}}
    calls: list[tuple[str, dict[str, Any], str]] = [
        ("read_document", {"path": "text.png"}, "image"),
        ("read_document", {"path": "two.tif", "pages": "3"}, "no page"),
        ("read_document", {"path": "two.tif", "pages": "x"}, "pages"),
        ("read_document", {"path": "https://example.com/a.pdf"}, "fetches no URLs"),
        ("extract", {"path": "two.tif", "page": 3, "schema": schema}, "no page 3 of 2"),
        ("extract", {"path": "two.tif", "schema": {"type": 3}}, "not a JSON Schema"),
        # The bundled model was taught text only.
        ("extract", {"path": "two.tif", "schema": schema}, "was not taught"),
    ]
    async with Client(stdio_client(stdio)) as client:
        for tool, arguments, words in calls:
            result = await client.call_tool(tool, arguments)
            assert result.is_error
            assert words in text_of(result), text_of(result)


@pytest.fixture
def over_http(base_url: str, folder: Path) -> Iterator[str]:
    """The address of `qwen-ocr mcp` that listens, with a key."""
    port = free_port()
    arguments = ["mcp", "--root", str(folder), "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "qwen_ocr_serve.cli", *arguments],
        env={**os.environ, "QWEN_OCR_BASE_URL": base_url, "QWEN_OCR_API_KEY": KEY},
    )
    address = f"http://127.0.0.1:{port}/mcp"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx2.post(address)
                break
            except httpx2.ConnectError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(20)


async def test_over_http_only_the_key_opens(over_http: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}):
        answer = httpx2.post(over_http, json={}, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    key = {"Authorization": f"Bearer {KEY}"}
    # A web page that has found out the port reaches it under another name.
    rebound = httpx2.post(over_http, json={}, headers={**key, "Host": "evil.example"})
    assert rebound.status_code == 421
    async with (
        httpx2.AsyncClient(headers=key, timeout=60) as http,
        Client(streamable_http_client(over_http, http_client=http)) as client,
    ):
        result = await client.call_tool("read_document", {"path": "scans/receipt.pdf"})
        assert "Espresso" in text_of(result)


def test_other_machines_need_a_key(folder: Path) -> None:
    arguments = ["mcp", "--root", str(folder), "--port", str(free_port()), "--host", "0.0.0.0"]
    environment = {name: value for name, value in os.environ.items() if name != "QWEN_OCR_API_KEY"}
    done = subprocess.run(
        [sys.executable, "-m", "qwen_ocr_serve.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "set QWEN_OCR_API_KEY" in done.stderr
