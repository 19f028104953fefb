"""Ways to reach the real server."""

import base64
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

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


_PICTURE = Image.radial_gradient("L").resize((500, 300))
_ARTICLE = """<style>
@page {{ size: A4; margin: 0 }}
body {{ margin: 0; width: 21cm; height: 29.6cm; font: 12pt/1.45 "DejaVu Sans", sans-serif }}
main {{ position: absolute; left: 2.2cm; right: 2.2cm; top: 3.4cm }}
h1 {{ font-size: 24pt; margin: 0 0 .6cm }} h2 {{ font-size: 16pt }}
td, th {{ padding: 4px 40px 4px 0; text-align: left }} table {{ border-collapse: collapse }}
header {{ position: absolute; left: 2.2cm; top: 1.2cm; font-size: 10pt }}
footer {{ position: absolute; left: 10cm; bottom: 1.1cm; font-size: 10pt }}
</style>
<header>Harbour news, spring</header>
<main><h1>The new pier</h1>
<p>The old pier was closed in autumn because its posts had rotted below the water line. Work on the
new one began in March and took eleven weeks, two more than planned.</p>
<img src="data:image/png;base64,{picture}" style="width: 9cm">
<h2>What it cost</h2>
<table><tr><th>Work<th>Amount<th>Price</tr><tr><td>Oak posts<td>48<td>9,120</tr>
<tr><td>Planks<td>310<td>6,510</tr><tr><td>Steel bolts<td>1,200<td>840</tr>
<tr><td>Labour<td>77 days<td>23,870</tr></table>
<p>- The railing is painted in May.<br>- The lamps follow in June.</p></main>
<footer>Page 7</footer>"""


@pytest.fixture(scope="session")
def article(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PDF of one page that a browser made: a title, a photo, a table, a list, and margins."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    buffer = io.BytesIO()
    _PICTURE.save(buffer, "PNG")
    page = _ARTICLE.format(picture=base64.b64encode(buffer.getvalue()).decode())
    path = tmp_path_factory.mktemp("article") / "article.pdf"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page()
        tab.set_content(page)
        tab.pdf(path=path, prefer_css_page_size=True)
        browser.close()
    return path
