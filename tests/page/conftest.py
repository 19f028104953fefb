"""A real browser before the real server."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from qwen_ocr import OCRClient
from qwen_ocr_serve.launch.local_server import LocalServer

SAMPLES = Path(__file__).parents[1] / "samples"
TIMEOUT = 60_000  # milliseconds, for a busy machine

expect.set_options(timeout=TIMEOUT)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium.

    Not for the session: as long as playwright runs, asyncio takes this thread for one with a
    running event loop, and no other test could start its own.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, server: LocalServer) -> Iterator[Callable[..., Page]]:
    """Open the page in a new profile, made as the arguments say.

    Whatever a script throws, and whatever the browser has to say against the page, its content
    security policy included, is a failure, and so is a request to another host. The browser also
    logs answers with an error status, which tests provoke, and requests that could not be sent.
    """
    contexts = []
    complaints: list[str] = []

    def check(request: Request) -> None:
        if not request.url.startswith((server.base_url, "blob:", "data:")):
            complaints.append(f"a request to {request.url}")

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def open_(before: Callable[[Page], None] | None = None, **options: Any) -> Page:
        context = browser.new_context(
            **{"locale": "en-GB", "viewport": {"width": 1280, "height": 860}, **options}
        )
        contexts.append(context)
        context.set_default_timeout(TIMEOUT)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        context.on("request", check)
        if before:
            before(page)
        page.goto(server.base_url)
        expect(page.locator("#model")).to_have_text("mini")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def many_pages(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """PDFs of as many pages as are wanted, each of them one line, which is quickly read."""
    folder = tmp_path_factory.mktemp("many")

    def make(count: int) -> Path:
        path = folder / f"{count}-pages.pdf"
        line = Image.open(samples / "line.png").convert("L")
        line.save(path, save_all=True, append_images=[line] * (count - 1), resolution=200)
        return path

    return make


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """The page on a desk, in English and light."""
    return open_page()


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of sample images."""
    return SAMPLES


@pytest.fixture(scope="session")
def client(server: LocalServer) -> Iterator[OCRClient]:
    """The Python client, whose results the page's have to equal."""
    with OCRClient(server.base_url) as client:
        yield client


@pytest.fixture(scope="session")
def answer() -> Callable[..., str]:
    """The body of a streamed answer, for what the bundled model cannot be brought to say."""

    def body(*texts: str, finish_reason: str | None = "stop", then: str = "") -> str:
        chunks: list[dict[str, Any]] = [
            {"choices": [{"delta": {"content": text}, "logprobs": None}]} for text in texts
        ]
        if finish_reason:
            chunks.append({"choices": [{"delta": {}, "finish_reason": finish_reason}]})
            then += "data: [DONE]\n\n"
        return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + then

    return body
