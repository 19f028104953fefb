"""What the page says when something is wrong, in the words of whoever knows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

OCR = "**/v1/ocr"


def give(page: Page, *paths: Path) -> None:
    page.set_input_files("#file-input", paths)


def expect_state(page: Page, state: str) -> None:
    expect(page.locator("#finish")).to_have_attribute("data-finish", state)


def test_a_page_that_the_server_cannot_read(page: Page, samples: Path) -> None:
    # A comment whose checksum is wrong: browsers skip it, the server's decoder does not.
    data = (samples / "line.png").read_bytes()
    comment = b"\0\0\0\4tEXta\0bcXXXX"
    broken = data[:33] + comment + data[33:]  # behind the signature and the header
    file = {"name": "broken.png", "mimeType": "image/png", "buffer": broken}
    page.set_input_files("#file-input", file)  # type: ignore[arg-type]  # its keys are right
    expect_state(page, "failed")
    expect(page.locator("#finish")).to_have_text("Not readable")
    expect(page.locator("#advice")).to_contain_text("not an image in a known format")
    expect(page.locator("#advice")).to_contain_text("Request id: ")
    give(page, samples / "line.png")
    expect_state(page, "read")


def test_a_dead_server(page: Page, samples: Path) -> None:
    page.context.set_offline(True)
    give(page, samples / "line.png", samples / "small.png")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The server does not answer")
    expect_state(page, "waiting")
    expect(page.locator("#read-all")).to_have_text("Read all (2)")
    page.context.set_offline(False)
    page.locator("#read-all").click()
    expect(page.locator("#progress")).to_have_text("2 of 2 pages read")
    expect(alert).to_be_hidden()


def test_a_server_that_stops_does_not_fail_forty_pages(
    page: Page, many_pages: Callable[[int], Path]
) -> None:
    give(page, many_pages(40))
    expect(page.locator("#strip [data-state=read]").first).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    expect(page.locator("#strip [data-state=failed]")).to_have_count(0)
    expect(page.locator("#read-all")).to_be_visible()


# From here on the answers are made up: this server has no key, and cannot be made to fail half-way.


def events(*values: dict[str, Any], ended: bool = True) -> str:
    body = "".join(f"data: {json.dumps(value)}\n\n" for value in values)
    return body + ("data: [DONE]\n\n" if ended else "")


def fulfil(page: Page, body: str, headers: dict[str, str] | None = None) -> None:
    page.route(
        OCR,
        lambda route: route.fulfill(
            body=body, content_type="text/event-stream", headers=headers or {}
        ),
    )


def test_a_connection_that_breaks_keeps_the_text(page: Page, samples: Path) -> None:
    halves = [{"index": 0, "delta": "Half a "}, {"index": 0, "delta": "page"}]
    fulfil(page, events(*halves, ended=False))
    give(page, samples / "line.png")
    expect_state(page, "failed")
    expect(page.locator("#advice")).to_contain_text("The connection broke")
    expect(page.locator("#text-view")).to_contain_text("Half a page")
    page.unroute(OCR)
    page.get_by_role("button", name="Read again").click()
    expect_state(page, "read")
    expect(page.locator("#text-view")).to_contain_text("days")


def test_an_error_in_the_stream_has_the_servers_words_and_the_id(page: Page, samples: Path) -> None:
    fulfil(page, events({"error": {"message": "engine died"}}), {"X-Request-Id": "page-17"})
    give(page, samples / "line.png")
    expect(page.locator("#advice")).to_contain_text("engine died")
    expect(page.locator("#advice")).to_contain_text("Request id: page-17")


def test_a_busy_server_is_asked_again(page: Page, samples: Path) -> None:
    asked = []

    def busy_at_first(route: Route) -> None:
        asked.append(route)
        if len(asked) > 1:
            route.continue_()
        else:
            route.fulfill(status=503, json={"error": {"message": "queue is full"}})

    page.route(OCR, busy_at_first)
    give(page, samples / "line.png")
    expect(page.locator("#progress")).to_contain_text("the server is busy, and is asked again")
    expect_state(page, "read")
    expect(page.locator("#error")).to_be_hidden()
    assert len(asked) == 2


@pytest.fixture
def guard() -> Callable[[Route], None]:
    """A server with a key."""

    def check(route: Route) -> None:
        if route.request.headers.get("authorization") == "Bearer right-key":
            route.continue_()
        else:
            error = {"error": {"message": "no such key", "code": "invalid_api_key"}}
            route.fulfill(status=401, json=error, headers={"X-Request-Id": "page-18"})

    return check


def test_the_key_is_asked_for_and_kept_in_the_tab_alone(
    page: Page, samples: Path, guard: Callable[[Route], None]
) -> None:
    page.route(OCR, guard)
    give(page, samples / "line.png", samples / "small.png")
    dialog = page.get_by_role("dialog", name="This server asks for a key")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_text("does not accept that key")).to_be_hidden()
    dialog.get_by_label("Key").fill("wrong-key")
    dialog.get_by_label("Key").press("Enter")
    expect(dialog.get_by_text("does not accept that key")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("no such key")
    expect(page.get_by_role("alert")).to_contain_text("page-18")
    expect(dialog).to_be_hidden()

    page.locator("#read-all").click()
    dialog.get_by_label("Key").fill("right-key")
    dialog.get_by_role("button", name="Use it").click()
    expect(page.locator("#progress")).to_have_text("2 of 2 pages read")
    assert "right-key" not in page.content()
    assert page.evaluate("JSON.stringify([localStorage, document.cookie])") == '[{},""]'
    other_tab = page.context.new_page()
    other_tab.goto(page.url)
    assert other_tab.evaluate("sessionStorage.length") == 0

    page.get_by_role("button", name="Key", exact=True).click()
    dialog.get_by_role("button", name="Forget it").click()
    expect(page.get_by_role("button", name="Key", exact=True)).to_be_hidden()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_tiff_asks_for_the_key_too(
    page: Page, tmp_path: Path, samples: Path, guard: Callable[[Route], None]
) -> None:
    path = tmp_path / "fax.tif"
    Image.open(samples / "line.png").save(path)
    page.route("**/api/v1/pages*", guard)
    give(page, path)
    dialog = page.get_by_role("dialog", name="This server asks for a key")
    dialog.get_by_label("Key").fill("right-key")
    dialog.get_by_role("button", name="Use it").click()
    expect_state(page, "read")
