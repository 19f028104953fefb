"""What is taken away from the web page: the text as it was corrected."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect


def downloaded(page: Page, name: str) -> tuple[str, str]:
    """The name of the file and its text."""
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return download.value.suggested_filename, Path(download.value.path()).read_text("utf-8")


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
    assert downloaded(page, "Page as .md") == ("3-pages.md", copied)
    name, text = downloaded(page, "All as .md")
    assert name == "3-pages.md"
    assert text.startswith(f"{copied}\n\n")
    assert text.count("weeks") == 1
    assert text.count("days") == 2


def test_there_is_nothing_to_take_away_before_a_page_is_read(page: Page, samples: Path) -> None:
    page.route("**/v1/ocr", lambda route: None)
    page.set_input_files("#file-input", samples / "line.png")
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_disabled()
    expect(page.get_by_role("button", name="All as .md")).to_be_disabled()
