"""A web app of another origin, in a real browser, with OpenAI's package for JavaScript."""

import base64
import functools
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, sync_playwright
from tests.snippets import node_modules

from qwen_ocr_serve.launch.local_server import LocalServer

SAMPLE = Path(__file__).parents[1] / "samples" / "receipt.png"
CHAT = "/v1/chat/completions"
KEY = "key-of-alice"
ASK = """async ([baseURL, apiKey, url]) => {
  const { default: OpenAI } = await import('/openai/index.mjs');
  const options = { baseURL, apiKey, dangerouslyAllowBrowser: true, maxRetries: 0 };
  const content = [
    { type: 'image_url', image_url: { url } },
    { type: 'text', text: 'Read all the text in the image.' },
  ];
  const messages = [{ role: 'user', content }];
  try {
    const { data, response } = await new OpenAI(options).chat.completions
      .create({ model: 'mini', messages }).withResponse();
    const confidence = response.headers.get('x-confidence');
    return { text: data.choices[0].message.content, confidence };
  } catch (error) {
    return { name: error.constructor.name, code: error.code, id: error.requestID };
  }
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing: tests read their own output."""


@pytest.fixture(scope="module")
def app() -> Iterator[str]:
    """The origin of a web app, which has OpenAI's package."""
    handler = functools.partial(Quiet, directory=str(node_modules()))
    handler_types = {**Quiet.extensions_map, ".mjs": "text/javascript"}
    Quiet.extensions_map = handler_types
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory, app: str) -> Iterator[LocalServer]:
    """A server with a key, for the pages of that origin."""
    log = tmp_path_factory.mktemp("web-apps") / "log"
    keys = {"QWEN_OCR_API_KEYS": f"alice:{KEY}"}
    with LocalServer(log, ["--cors-origins", f"https://a.example,{app}"], keys) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="module")
def page(app: str) -> Iterator[Page]:
    """A page of the web app."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page()
        tab.goto(f"{app}/openai/package.json")
        yield tab
        browser.close()


def test_a_web_app_of_another_origin_reads_an_image(open_server: LocalServer, page: Page) -> None:
    url = "data:image/png;base64," + base64.b64encode(SAMPLE.read_bytes()).decode()
    address = f"{open_server.base_url}/v1"
    read = page.evaluate(ASK, [address, KEY, url])
    assert "Espresso" in read["text"]
    assert 0 < float(read["confidence"]) <= 1
    # It can tell why it was refused, before the body was read and by vLLM.
    wrong = page.evaluate(ASK, [address, "wrong", url])
    assert (wrong["name"], wrong["code"]) == ("AuthenticationError", "invalid_api_key")
    assert wrong["id"]
    broken = page.evaluate(ASK, [address, KEY, "data:image/png;base64,bm90aGluZw=="])
    assert (broken["name"], broken["code"]) == ("BadRequestError", "invalid_image")


def test_a_web_app_of_any_other_origin_does_not(open_server: LocalServer, page: Page) -> None:
    other = page.url.replace("127.0.0.1", "localhost")
    page.goto(other)
    failed = page.evaluate(ASK, [f"{open_server.base_url}/v1", KEY, "data:,"])
    assert failed["name"] == "APIConnectionError"


def test_preflights(open_server: LocalServer, app: str) -> None:
    asked = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,x-api-key,x-filename",
    }
    with httpx2.Client(base_url=open_server.base_url, timeout=60) as http:
        for origin in (app, "https://a.example"):
            answer = http.options("/process", headers={"Origin": origin, **asked})
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == origin
            assert "PUT" in answer.headers["access-control-allow-methods"]
            allowed = answer.headers["access-control-allow-headers"]
            assert {"authorization", "x-api-key"} <= {name.strip() for name in allowed.split(",")}
            assert "access-control-allow-credentials" not in answer.headers
        refused = http.options(CHAT, headers={"Origin": "https://b.example", **asked})
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers
        # One header of a kind: two make browsers refuse the answer.
        key = {"Authorization": f"Bearer {KEY}", "Origin": app}
        answer = http.get("/v1/models", headers=key)
        assert answer.headers.get_list("access-control-allow-origin") == [app]
        assert answer.headers.get_list("access-control-expose-headers") != []
