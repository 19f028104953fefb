"""What the page says when something is wrong, in the words of whoever knows."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

CHAT = "**/v1/chat/completions"
HALF_JPEG = (Path(__file__).parents[1] / "samples" / "degraded.jpg").read_bytes()[:5000]


def give(page: Page, path: Path) -> None:
    page.set_input_files("#file-input", path)


def test_a_refused_image_is_an_error_in_the_servers_words(page: Page, samples: Path) -> None:
    # A comment whose checksum is wrong: browsers skip it, the server's decoder does not.
    data = (samples / "line.png").read_bytes()
    comment = b"\0\0\0\4tEXta\0bcXXXX"
    broken = data[:33] + comment + data[33:]  # behind the signature and the header
    file = {"name": "broken.png", "mimeType": "image/png", "buffer": broken}
    page.set_input_files("#file-input", file)  # type: ignore[arg-type]  # its keys are right
    expect(page.get_by_role("alert")).to_contain_text("The server refused this")
    expect(page.locator("#error-detail")).to_contain_text("image")
    expect(page.locator("#facts")).to_be_hidden()


def test_a_refused_prompt_is_an_error_in_the_servers_words(page: Page, samples: Path) -> None:
    page.locator("#prompt").fill("word " * 20_000)
    give(page, samples / "line.png")
    expect(page.locator("#error-detail")).to_contain_text("maximum context length")
    page.get_by_label("What to read").select_option("TEXT")
    page.get_by_role("button", name="Read again").click()
    expect(page.locator("#finish")).to_have_attribute("data-finish", "stop")
    expect(page.locator("#error")).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"not a picture", "cannot open notes.txt as a picture"),
        ("empty.png", b"", "cannot open empty.png as a picture"),
        ("half.jpg", HALF_JPEG, "cannot open half.jpg as a picture"),
        ("broken.pdf", b"%PDF-1.7 and nothing else", "cannot be opened as a PDF"),
    ],
)
def test_a_file_that_is_no_picture(page: Page, name: str, content: bytes, message: str) -> None:
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    page.set_input_files("#file-input", file)  # type: ignore[arg-type]  # its keys are right
    expect(page.get_by_role("alert")).to_contain_text(message)


def test_a_picture_that_is_too_long_and_thin(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "rule.png"
    Image.new("L", (5000, 10)).save(path)
    give(page, path)
    expect(page.get_by_role("alert")).to_contain_text("5000 × 10 pixels is too long and thin")


def test_nothing_to_read(page: Page, samples: Path) -> None:
    page.get_by_role("button", name="Read").click()
    expect(page.get_by_role("alert")).to_have_text("Choose a picture first")
    page.locator("#prompt").fill(" ")
    give(page, samples / "line.png")
    expect(page.get_by_role("alert")).to_contain_text("the prompt is empty")


def test_a_dead_server(page: Page, samples: Path) -> None:
    page.context.set_offline(True)
    give(page, samples / "line.png")
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    page.context.set_offline(False)
    page.get_by_role("button", name="Read again").click()
    expect(page.locator("#finish")).to_have_attribute("data-finish", "stop")
    expect(page.locator("#error")).to_be_hidden()


# From here on the answers are made up: this server has no key, and cannot be made to fail half-way.


def test_a_connection_that_breaks_keeps_the_text(
    page: Page, samples: Path, answer: Callable[..., str]
) -> None:
    body = answer("Half a ", "page", finish_reason=None)
    page.route(CHAT, lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    give(page, samples / "line.png")
    expect(page.get_by_role("alert")).to_contain_text("The connection broke")
    expect(page.locator("#text")).to_have_text("Half a page")
    expect(page.locator("#finish")).to_have_attribute("data-finish", "failed")


def test_an_error_in_the_stream_has_the_servers_words_and_the_id(
    page: Page, samples: Path, answer: Callable[..., str]
) -> None:
    body = answer("Half", finish_reason=None, then='data: {"error": {"message": "engine died"}}\n')
    page.route(
        CHAT,
        lambda route: route.fulfill(
            body=body, content_type="text/event-stream", headers={"X-Request-Id": "page-17"}
        ),
    )
    give(page, samples / "line.png")
    expect(page.get_by_role("alert")).to_contain_text("engine died")
    expect(page.get_by_role("alert")).to_contain_text("Request id: page-17")


@pytest.mark.parametrize(
    ("finish_reason", "text", "finish", "words"),
    [
        ("length", "Half", "length", "Cut off: the model's context was full"),
        ("repetition", "la la la", "repetition", "Stopped: it began to repeat itself"),
        ("length", "And again and again. " * 90, "repetition", "Stopped: it began to repeat"),
    ],
)
def test_an_incomplete_text_says_so(
    page: Page,
    samples: Path,
    answer: Callable[..., str],
    finish_reason: str,
    text: str,
    finish: str,
    words: str,
) -> None:
    body = answer(text, finish_reason=finish_reason)
    page.route(CHAT, lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    give(page, samples / "line.png")
    expect(page.locator("#finish")).to_have_attribute("data-finish", finish)
    expect(page.locator("#finish")).to_contain_text(words)


def test_what_the_model_writes_is_never_html(
    page: Page, samples: Path, answer: Callable[..., str]
) -> None:
    text = "<img src=x onerror=alert(1)><script>alert(2)</script>&lt;b&gt; <b>bold</b>"
    page.route(
        CHAT, lambda route: route.fulfill(body=answer(text), content_type="text/event-stream")
    )
    give(page, samples / "line.png")
    expect(page.locator("#finish")).to_have_attribute("data-finish", "stop")
    assert page.locator("#text").text_content() == text
    expect(page.locator("#text *")).to_have_count(0)


def test_the_key_is_asked_for_and_kept_in_the_tab_alone(page: Page, samples: Path) -> None:
    def guard(route: Route) -> None:
        if route.request.headers.get("authorization") == "Bearer right-key":
            route.continue_()
        else:
            error = {"error": {"message": "no such key", "code": "invalid_api_key"}}
            route.fulfill(status=401, json=error, headers={"X-Request-Id": "page-18"})

    page.route(CHAT, guard)
    give(page, samples / "line.png")
    dialog = page.get_by_role("dialog", name="This server asks for a key")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_text("does not accept that key")).to_be_hidden()
    dialog.get_by_label("Key").fill("wrong-key")
    dialog.get_by_label("Key").press("Enter")
    expect(dialog.get_by_text("does not accept that key")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("no such key")
    expect(page.get_by_role("alert")).to_contain_text("page-18")

    page.get_by_role("button", name="Read again").click()
    dialog.get_by_label("Key").fill("right-key")
    dialog.get_by_role("button", name="Use it").click()
    expect(page.locator("#finish")).to_have_attribute("data-finish", "stop")
    assert "days" in (page.locator("#text").text_content() or "")
    assert "right-key" not in page.content()
    assert page.evaluate("JSON.stringify([localStorage, document.cookie])") == '[{},""]'
    other_tab = page.context.new_page()
    other_tab.goto(page.url)
    assert other_tab.evaluate("sessionStorage.length") == 0

    page.get_by_role("button", name="Key", exact=True).click()
    dialog.get_by_role("button", name="Forget it").click()
    expect(page.get_by_role("button", name="Key", exact=True)).to_be_hidden()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_pdf_asks_for_the_key_too(page: Page, samples: Path) -> None:
    def guard(route: Route) -> None:
        if route.request.headers.get("authorization") == "Bearer right-key":
            route.continue_()
        else:
            route.fulfill(status=401, json={"success": False, "message": "no such key"})

    page.route("**/api/v1/pages*", guard)
    give(page, samples / "receipt.pdf")
    dialog = page.get_by_role("dialog", name="This server asks for a key")
    dialog.get_by_label("Key").fill("right-key")
    dialog.get_by_role("button", name="Use it").click()
    expect(page.locator("#finish")).to_have_attribute("data-finish", "stop")
    expect(page.locator("#preview")).to_be_visible()
