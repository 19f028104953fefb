"""The code to paste."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from qwen_ocr import OCRClient, Task

NASTY = "Read 'all' the \"text\" at 100 % in `this` $HOME\\n,\nplease: 漢字"


@pytest.mark.parametrize("prompt", [Task.TEXT.value, NASTY])
def test_the_code_runs_as_it_is(
    page: Page, client: OCRClient, samples: Path, tmp_path: Path, prompt: str
) -> None:
    path = tmp_path / "it's a line.png"
    shutil.copy(samples / "line.png", path)
    page.set_input_files("#file-input", path)
    expect(page.locator("#finish")).to_have_attribute("data-finish", "read")
    page.locator("#tab-code").click()
    shown = page.locator("#snippets pre").all_text_contents()
    curl, python, sdk, document, javascript = page.evaluate(
        """async ([prompt, file]) => {
            const { curl, documentCurl, openaiJavaScript, openaiSdk, pythonClient } =
                await import("/page/snippets.js");
            const facts = { origin: location.origin, model: "mini", type: "image/png" };
            const call = { ...facts, prompt, file };
            return [curl, pythonClient, openaiSdk, documentCurl, openaiJavaScript].map((make) =>
                make(call));
        }""",
        [prompt, path.name],
    )
    if prompt == Task.TEXT:
        assert shown == [curl, python, sdk, document, javascript]
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
    assert run("sh", "-ec", document).strip() == client.read_document(path).markdown
    if shutil.which("node"):  # the SDK is not installed for it
        (tmp_path / "call.mjs").write_text(javascript)
        run("node", "--check", "call.mjs")


def test_the_code_never_holds_the_key(page: Page, samples: Path) -> None:
    page.evaluate("sessionStorage.setItem('qwen-ocr-key', 'very-secret')")
    page.reload()
    page.set_input_files("#file-input", samples / "line.png")
    page.locator("#tab-code").click()
    code = "".join(page.locator("#snippets pre").all_text_contents())
    assert code.count("QWEN_OCR_API_KEY") == 5
    assert "very-secret" not in code


def test_code_is_copied(open_page: Callable[..., Page], samples: Path) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.set_input_files("#file-input", samples / "line.png")
    page.locator("#tab-code").click()
    page.get_by_role("button", name="Copy: Python client").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    code = page.locator("#snippets pre").nth(1).text_content()
    assert page.evaluate("navigator.clipboard.readText()") == code


def test_no_code_is_cut_off_at_the_right(page: Page, samples: Path) -> None:
    page.set_input_files("#file-input", samples / "line.png")
    page.locator("#tab-code").click()
    hidden = page.locator("#snippets pre").evaluate_all(
        "blocks => blocks.map((block) => block.scrollWidth - block.clientWidth)"
    )
    assert hidden == [0] * 5
