"""What is taken away from the web page: the text as it was corrected."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pikepdf
import pytest
from playwright.sync_api import Page, Route, expect


def downloaded(page: Page, scope: str, form: str) -> tuple[str, bytes]:
    """The name of the file and what is in it."""
    page.get_by_role("button", name="Save as").click()
    page.get_by_role("radio", name=scope).check()
    with page.expect_download() as download:
        page.locator(".export-formats").get_by_role("button", name=form).click()
    expect(page.locator("#export-panel")).to_be_hidden()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_a_correction_is_kept_and_taken_away(
    open_page: Callable[..., Page], many_pages: Callable[[int], Path]
) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.set_input_files("#file-input", many_pages(3))
    expect(page.locator("#progress")).to_have_text("3 of 3 pages read")
    page.locator("#text-view .word", has_text="days").first.dblclick()
    page.keyboard.type("weeks")
    page.keyboard.press("Enter")
    expect(page.locator("#text-view")).to_contain_text("weeks")
    page.reload()
    expect(page.locator("#text-view")).to_contain_text("weeks")

    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "weeks" in copied
    assert "days" not in copied
    assert downloaded(page, "This page", ".md") == ("3-pages.md", f"{copied}\n".encode())
    name, text = downloaded(page, "All pages read", ".md")
    assert name == "3-pages.md"
    assert text.startswith(f"{copied}\n\n".encode())
    for form in (".md", ".html", ".txt", ".json", ".hocr"):
        name, data = downloaded(page, "All pages read", form)
        assert name == f"3-pages{form}"
        assert b"weeks" in data
        assert data.count(b"days") >= 2
    name, data = downloaded(page, "All pages read", ".pdf")
    with pikepdf.open(io.BytesIO(data)) as pdf:
        sizes = [[float(edge) for edge in made.mediabox] for made in pdf.pages]
    # As in the document that was read, but for what rounding to pixels takes.
    with pikepdf.open(many_pages(3)) as pdf:
        expected = [[float(edge) for edge in given.mediabox] for given in pdf.pages]
    assert sizes == [pytest.approx(box, abs=0.5) for box in expected]


def test_a_table_is_copied_as_cells(
    open_page: Callable[..., Page], many_pages: Callable[[int], Path]
) -> None:
    """What the bundled model reads has no table, so one takes the place of what it read."""
    table = "| Item | Price |\n|---|---|\n| Pen | 2.50 |"

    def with_table(route: Route) -> None:
        answer = {
            "index": 0,
            "markdown": table,
            "images": [],
            "tables": [],
            "dimensions": {"dpi": 200, "width": 60, "height": 80},
            "qwen_ocr": {
                "confidence": 0.99,
                "warnings": [],
                "turned": 0,
                "skew": 0,
                "text_layer": False,
            },
        }
        body = f"data: {json.dumps(answer)}\n\ndata: [DONE]\n\n"
        route.fulfill(body=body, content_type="text/event-stream")

    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.set_input_files("#file-input", many_pages(1))
    expect(page.locator("#finish")).to_have_attribute("data-finish", "read")
    page.get_by_role("button", name="Save as").click()
    expect(page.get_by_role("button", name="Copy tables as cells")).to_be_disabled()
    expect(page.get_by_role("button", name="Tables .csv")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.locator("#export-panel")).to_be_hidden()

    page.route("**/v1/ocr", with_table)
    page.locator("#read").click()
    expect(page.locator("#text-view td").first).to_have_text("Pen")
    page.get_by_role("button", name="Save as").click()
    page.get_by_role("button", name="Copy tables as cells").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "Item\tPrice\nPen\t2.50"
    kinds = page.evaluate("navigator.clipboard.read().then(([item]) => item.types)")
    assert "text/html" in kinds
    page.keyboard.press("Escape")
    name, data = downloaded(page, "This page", ".csv")
    assert (name, data.decode("utf-8-sig")) == ("1-pages.csv", "Item,Price\r\nPen,2.50\r\n")


def test_there_is_nothing_to_take_away_before_a_page_is_read(page: Page, samples: Path) -> None:
    page.route("**/v1/ocr", lambda route: None)
    page.set_input_files("#file-input", samples / "line.png")
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_disabled()
    expect(page.get_by_role("button", name="Save as")).to_be_disabled()
