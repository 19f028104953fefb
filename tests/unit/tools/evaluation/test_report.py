"""The report, opened in a real browser, with pages that try to break it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from qwen_ocr_tools.cli import app
from qwen_ocr_tools.evaluation.charts import number, percent, ticks
from qwen_ocr_tools.evaluation.diff import Segment, differences

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = (
    "<script>document.title = 'taken'</script> & \"quotes\" </pre><img src=x onerror=alert(1)>"
)
CHROMIUM = shutil.which("chromium")


def test_differences() -> None:
    truth, read = differences("the cat\nsat", "the bat sat on")
    assert truth == [Segment("the ", "same"), Segment("c", "changed"), Segment("at\nsat", "same")]
    assert read == [
        Segment("the ", "same"),
        Segment("b", "changed"),
        Segment("at sat", "same"),
        Segment(" on", "added"),
    ]
    assert differences("lost", "") == ([Segment("lost", "missing")], [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 %"),
        (0.00382, "0.38 %"),
        (0.079, "7.9 %"),
        (0.5, "50 %"),
        (1, "100 %"),
        (2.5, "250 %"),
    ],
)
def test_percent(value: float, text: str) -> None:
    assert percent(value) == text


def test_axes() -> None:
    assert ticks(1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert ticks(0.37) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert ticks(2300) == [0, 500, 1000, 1500, 2000]
    assert number(0.6617) == "0.662"
    assert number(12345.6) == "12,346"


@pytest.fixture
def report(
    server: Any,
    tmp_path: Path,
    dataset: Callable[..., Path],
    confident: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A report of pages whose names, kinds, texts and readings are hostile, and one that fails."""
    monkeypatch.setenv("QWEN_OCR_MAX_RETRIES", "0")
    server.answer(confident("TOTAL 12.50 " + HOSTILE))
    server.answer_first(json.dumps({"error": {"message": HOSTILE}}).encode(), status=500)
    rows = [
        {"file": f"<b>{i}.png", "text": "TOTAL 12.50" * i, "kind": "<i>kind" * (i % 2) or "plain"}
        for i in range(6)
    ]
    folder = dataset(*rows, '{"file": "<u>gone.png", "text": "x"}')
    out = tmp_path / "report"
    arguments = ["eval", str(folder), "-o", str(out), "--base-url", server.url]
    done = CliRunner().invoke(app, [*arguments, "--sweep", "prompt=<s>one,two", "--concurrency=1"])
    assert done.exit_code == 1, done.output
    return out / "report.html"


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_in_a_browser(report: Path) -> None:
    from playwright.sync_api import sync_playwright  # here, because only this test pays for it

    html = report.read_text("utf-8")
    assert "http://" not in html
    assert "https://" not in html
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        backgrounds = set()
        for scheme, width in (("light", 1280), ("dark", 390)):
            page = browser.new_page(
                viewport={"width": width, "height": 900},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            backgrounds.add(_check(page, report, width))
        assert len(backgrounds) == 2
        browser.close()


def _check(page: "Page", report: Path, width: int) -> str:
    """Look at the report in one size; returns its background."""
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.on("request", lambda request: trouble.append(request.url[:80]))
    page.goto(report.as_uri())
    assert [url for url in trouble if not url.startswith(("file:", "data:image/webp"))] == []
    assert page.title().startswith("Evaluation of prompt=<s>one, prompt=two on")
    assert page.locator("script, u, s, tbody b, tbody i").count() == 0
    # Nothing is wider than the screen, and every picture is there.
    assert page.evaluate("document.documentElement.scrollWidth") == width
    pictures = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(pictures) >= 5
    assert min(pictures) > 0
    titles = page.locator("figure h2").all_inner_texts()
    assert titles == [
        "Error by kind",
        "Accuracy against speed",
        "Is the confidence true?",
        "Confidence against error",
        "Latency",
    ]
    for box in page.locator("svg").all():
        size = box.bounding_box()
        assert size is not None
        assert size["height"] > 40
    text = page.locator("body").inner_text()
    for expected in ("What went wrong", "could not be read", "<u>gone.png", "<b>5.png", HOSTILE):
        assert expected in text
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))
