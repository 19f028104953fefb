"""The code to paste, and boxes on the picture."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from qwen_ocr import OCRClient, Task

CHAT = "**/v1/chat/completions"
NASTY = "Read 'all' the \"text\" at 100 % in `this` $HOME\\n,\nplease: 漢字"


@pytest.mark.parametrize("prompt", ["Read all the text in the image.", NASTY])
def test_the_code_runs_as_it_is(
    page: Page, client: OCRClient, samples: Path, tmp_path: Path, prompt: str
) -> None:
    path = tmp_path / "it's a line.png"
    shutil.copy(samples / "line.png", path)
    page.locator("#prompt").fill(prompt)
    page.set_input_files("#file-input", path)
    expect(page.locator("#finish")).to_have_attribute("data-finish", "stop")
    page.locator("#tab-code").click()
    curl, python, sdk = page.locator("#snippets pre").all_text_contents()
    # Looked at, not for: a prompt that was not quoted would change what comes back.
    expected = client.ocr(path, prompt).text
    environment = {**os.environ, "QWEN_OCR_API_KEY": "none"}

    def run(*command: str) -> str:
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout

    assert run(sys.executable, "-c", python) == expected + "\n"
    assert run(sys.executable, "-c", sdk) == expected + "\n"
    assert json.loads(run("sh", "-ec", curl))["data"] == [expected]


def test_the_code_never_holds_the_key(page: Page) -> None:
    page.evaluate("sessionStorage.setItem('qwen-ocr-key', 'very-secret')")
    page.reload()
    page.locator("#tab-code").click()
    code = "".join(page.locator("#snippets pre").all_text_contents())
    assert code.count("QWEN_OCR_API_KEY") == 3
    assert "very-secret" not in code


def test_code_is_copied(open_page: Callable[..., Page]) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.locator("#tab-code").click()
    page.get_by_role("button", name="Copy: Python client").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    code = page.locator("#snippets pre").nth(1).text_content()
    assert page.evaluate("navigator.clipboard.readText()") == code


def test_boxes_lie_over_their_text(
    open_page: Callable[..., Page], samples: Path, answer: Callable[..., str]
) -> None:
    # The bundled model knows no boxes, so the preset is added and its answer made up; the request
    # is the page's own.
    def offer_boxes(route: Route) -> None:
        config = route.fetch().json()
        config["presets"].append({"name": Task.SPOT.name, "prompt": Task.SPOT.value})
        route.fulfill(json=config)

    page = open_page(lambda page: page.route("**/page/config.json", offer_boxes))
    spots = [
        {"bbox_2d": [0, 0, 500, 100], "text_content": "Café Lumière"},
        {"bbox_2d": [250, 500, 1000, 1000], "text_content": "TOTAL"},
    ]
    body = answer(*json.dumps(spots))
    page.route(CHAT, lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    page.get_by_label("What to read").select_option("SPOT")
    with page.expect_request(CHAT) as request:
        page.set_input_files("#file-input", samples / "receipt.png")
    sent: Any = request.value.post_data_json
    assert sent["messages"][0]["content"][1]["text"] == Task.SPOT
    assert sent["response_format"]["type"] == "json_schema"
    expect(page.locator("#finish")).to_have_attribute("data-finish", "stop")
    rects = page.locator("#boxes rect")
    expect(rects).to_have_count(2)
    expect(rects.nth(0).locator("title")).to_have_text("Café Lumière")
    picture = page.locator("#preview").bounding_box()
    box = rects.nth(1).bounding_box()
    assert picture
    assert box
    assert box["x"] == pytest.approx(picture["x"] + picture["width"] * 0.25, abs=2)
    assert box["y"] == pytest.approx(picture["y"] + picture["height"] * 0.5, abs=2)
    assert box["width"] == pytest.approx(picture["width"] * 0.75, abs=3)
    assert box["height"] == pytest.approx(picture["height"] * 0.5, abs=3)

    page.get_by_label("What to read").select_option("TEXT")
    page.get_by_role("button", name="Read again").click()
    expect(rects).to_have_count(0)
