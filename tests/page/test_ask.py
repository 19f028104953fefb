"""Questions about the page that is shown, over `/v1/chat/completions`.

The bundled model was taught nothing but reading, so the page does not offer the tab. It reads
whatever it is asked: here the page is told that the model knows more, and the rest is real.
"""

import base64
import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, Route, expect

from qwen_ocr import OCRClient, Task, family_of
from qwen_ocr.images import known_size, load_image, plan_page

CHAT = "**/v1/chat/completions"


def config_with(**changes: Any) -> Callable[[Page], None]:
    """A page that is told other things about the server."""

    def fulfil(route: Route) -> None:
        config = route.fetch().json() | {"plain_text_only": False}
        config["request"] |= changes.get("request", {})
        for name in changes.get("without", []):
            config["request"].pop(name)
        config["presets"] += changes.get("presets", [])
        route.fulfill(json=config)

    def prepare(page: Page) -> None:
        page.route("**/page/config.json", fulfil)

    return prepare


@pytest.fixture
def asking(open_page: Callable[..., Page]) -> Page:
    """The page before a model that can be asked."""
    return open_page(config_with())


def open_tab(page: Page, path: Path) -> None:
    page.set_input_files("#file-input", path)
    page.get_by_role("tab", name="Ask").click()
    expect(page.locator("#ask")).to_be_visible()


def ask(page: Page, prompt: str = "What does it say?") -> None:
    page.locator("#prompt").fill(prompt)
    page.locator("#prompt").press("Control+Enter")


def expect_answer(page: Page, finish: str) -> None:
    expect(page.locator("#answer-finish")).to_have_attribute("data-finish", finish)


def text_of(page: Page) -> str:
    # Not `inner_text`, which has the line breaks of the layout.
    return page.locator("#text").text_content() or ""


def sent_image(page: Page, path: Path) -> bytes:
    """The bytes of the image that the page sends with a question about a file."""
    open_tab(page, path)
    with page.expect_request(CHAT) as request:
        ask(page)
    sent: Any = request.value.post_data_json
    url = sent["messages"][0]["content"][0]["image_url"]["url"]
    return base64.b64decode(url.partition(",")[2])


def test_a_model_that_only_reads_is_not_asked(page: Page, samples: Path) -> None:
    page.set_input_files("#file-input", samples / "line.png")
    expect(page.get_by_role("tab", name="Text")).to_be_visible()
    expect(page.get_by_role("tab", name="Ask")).to_be_hidden()


def test_the_answer_is_the_clients(asking: Page, client: OCRClient, samples: Path) -> None:
    path = samples / "receipt.png"
    open_tab(asking, path)
    with asking.expect_request(CHAT) as request:
        ask(asking, "Read the receipt.")
    sent: Any = request.value.post_data_json
    assert sent["messages"][0]["content"][1]["text"] == "Read the receipt."
    expect_answer(asking, "stop")
    result = client.ocr(path, "Read the receipt.", confidence=True)
    assert text_of(asking) == result.text
    doubtful = [word.text for word in result.words if word.confidence < 0.9]
    assert doubtful
    assert asking.locator("#text mark").all_text_contents() == doubtful


def test_presets_are_asked_in_the_models_words(asking: Page, samples: Path) -> None:
    open_tab(asking, samples / "line.png")
    presets = asking.get_by_label("What to ask for")
    expect(presets.locator("option")).to_have_text(["A question of my own", "All text"])
    presets.select_option(label="All text")
    expect(asking.locator("#prompt")).to_be_hidden()
    with asking.expect_request(CHAT) as request:
        asking.get_by_role("button", name="Ask").click()
    sent: Any = request.value.post_data_json
    assert sent["messages"][0]["content"][1]["text"] == Task.TEXT


def test_chinese_sees_no_english_prompt(open_page: Callable[..., Page], samples: Path) -> None:
    page = open_page(config_with(), locale="zh-CN")
    page.set_input_files("#file-input", samples / "line.png")
    page.get_by_role("tab", name="提问").click()
    expect(page.locator("#prompt")).to_have_value("")
    expect(page.locator("#prompt")).to_have_attribute("placeholder", re.compile("例如"))


def test_an_empty_question(asking: Page, samples: Path) -> None:
    open_tab(asking, samples / "line.png")
    ask(asking, " ")
    expect(asking.locator("#ask-error")).to_have_text("Write a question first.")


def test_the_answer_goes_with_its_page(asking: Page, samples: Path) -> None:
    open_tab(asking, samples / "line.png")
    ask(asking)
    expect_answer(asking, "stop")
    asking.set_input_files("#file-input", samples / "small.png")
    expect(asking.locator("#page-title")).to_have_text("small.png")
    assert text_of(asking) == ""
    expect(asking.locator("#answer-foot")).to_be_hidden()


def test_stop_keeps_the_text(open_page: Callable[..., Page], samples: Path, tmp_path: Path) -> None:
    # The bundled model ends too soon to be stopped, unless it is told not to end, and reads all but
    # small pictures in pieces, which have an end.
    before = config_with(request={"ignore_eos": True}, without=["repetition_detection"])
    page = open_page(before)
    with Image.open(samples / "paragraph.png") as paragraph:
        paragraph.crop((0, 0, 160, 64)).save(tmp_path / "part.png")
    open_tab(page, tmp_path / "part.png")
    ask(page)
    expect(page.locator("#text")).to_have_text(re.compile(".{20}"))
    text = text_of(page)
    page.locator("#ask-stop").click()
    expect_answer(page, "stopped")
    assert text_of(page).startswith(text)
    expect(page.locator("#ask-go")).to_be_focused()


def test_the_answer_is_copied(open_page: Callable[..., Page], samples: Path) -> None:
    page = open_page(config_with(), permissions=["clipboard-read", "clipboard-write"])
    open_tab(page, samples / "line.png")
    ask(page)
    expect_answer(page, "stop")
    page.locator("#answer-copy").click()
    expect(page.locator("#answer-copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == text_of(page)


def test_bytes_that_need_nothing_are_sent_untouched(asking: Page, samples: Path) -> None:
    for name in ("degraded.jpg", "dark.png"):
        assert sent_image(asking, samples / name) == (samples / name).read_bytes()


def test_a_large_photograph_is_turned_upright(asking: Page, samples: Path, tmp_path: Path) -> None:
    upright = Image.open(samples / "paragraph.png").convert("RGB").resize((3000, 1200))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    path = tmp_path / "photo.jpg"
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)
    sent = Image.open(BytesIO(sent_image(asking, path)))
    assert sent.format == "JPEG"
    assert sent.size == plan_page(known_size(load_image(path)), family_of("mini")).size
    reference = upright.resize(sent.size).convert("L")
    pairs = zip(sent.convert("L").tobytes(), reference.tobytes(), strict=True)
    assert sum(abs(a - b) for a, b in pairs) / (sent.width * sent.height) < 4


def test_what_is_transparent_is_white(asking: Page, tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    image = Image.new("RGBA", (2000, 1200), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((200, 300), "Hello there", fill="black", font_size=60)
    image.putpixel((0, 0), (0, 0, 0, 0))
    image.save(path)
    open_tab(asking, path)
    ask(asking)
    expect_answer(asking, "stop")
    expect(asking.locator("#text")).to_contain_text("Hello there")


def test_a_picture_that_is_too_long_and_thin(asking: Page, tmp_path: Path) -> None:
    path = tmp_path / "rule.png"
    Image.new("L", (5000, 10)).save(path)
    open_tab(asking, path)
    ask(asking)
    expect(asking.locator("#ask-error")).to_contain_text("5000 × 10 pixels is too long and thin")


def test_a_refused_prompt_is_an_error_in_the_servers_words(asking: Page, samples: Path) -> None:
    open_tab(asking, samples / "line.png")
    ask(asking, "word " * 20_000)
    expect(asking.locator("#ask-error")).to_contain_text("maximum context length")


# From here on the answers are made up: the bundled model cannot be brought to give them.


@pytest.fixture
def answered(asking: Page, samples: Path) -> Callable[..., Page]:
    """Ask about a page, and get this body as the answer."""

    def ask_and_get(body: str, headers: dict[str, str] | None = None) -> Page:
        asking.route(
            CHAT,
            lambda route: route.fulfill(
                body=body, content_type="text/event-stream", headers=headers or {}
            ),
        )
        open_tab(asking, samples / "line.png")
        ask(asking)
        return asking

    return ask_and_get


def test_a_connection_that_breaks_keeps_the_text(
    answered: Callable[..., Page], answer: Callable[..., str]
) -> None:
    page = answered(answer("Half a ", "page", finish_reason=None))
    expect(page.locator("#ask-error")).to_contain_text("The connection broke")
    assert text_of(page) == "Half a page"
    expect_answer(page, "failed")


def test_an_error_in_the_stream_has_the_servers_words_and_the_id(
    answered: Callable[..., Page], answer: Callable[..., str]
) -> None:
    error = 'data: {"error": {"message": "engine died"}}\n'
    page = answered(answer("Half", finish_reason=None, then=error), {"X-Request-Id": "page-17"})
    expect(page.locator("#ask-error")).to_contain_text("engine died")
    expect(page.locator("#ask-error")).to_contain_text("page-17")


@pytest.mark.parametrize(
    ("finish_reason", "text", "finish", "words"),
    [
        ("length", "Half", "length", "Cut off: the model's context was full"),
        ("repetition", "la la la", "repetition", "Stopped: it began to repeat itself"),
        ("length", "And again and again. " * 90, "repetition", "Stopped: it began to repeat"),
    ],
)
def test_an_incomplete_text_says_so(
    answered: Callable[..., Page],
    answer: Callable[..., str],
    finish_reason: str,
    text: str,
    finish: str,
    words: str,
) -> None:
    page = answered(answer(text, finish_reason=finish_reason))
    expect_answer(page, finish)
    expect(page.locator("#answer-finish")).to_contain_text(words)


def test_what_the_model_writes_is_never_html(
    answered: Callable[..., Page], answer: Callable[..., str]
) -> None:
    text = "<img src=x onerror=alert(1)><script>alert(2)</script>&lt;b&gt; <b>bold</b>"
    page = answered(answer(text))
    expect_answer(page, "stop")
    assert text_of(page) == text
    expect(page.locator("#text *")).to_have_count(0)


def test_boxes_lie_over_their_text(
    open_page: Callable[..., Page], samples: Path, answer: Callable[..., str]
) -> None:
    presets = [{"name": Task.SPOT.name, "prompt": Task.SPOT.value}]
    page = open_page(config_with(presets=presets))
    spots = [
        {"bbox_2d": [0, 0, 500, 100], "text_content": "Café Lumière"},
        {"bbox_2d": [250, 500, 1000, 1000], "text_content": "TOTAL"},
    ]
    body = answer(*json.dumps(spots))
    page.route(CHAT, lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    open_tab(page, samples / "receipt.png")
    page.get_by_label("What to ask for").select_option("SPOT")
    with page.expect_request(CHAT) as request:
        page.locator("#ask-go").click()
    sent: Any = request.value.post_data_json
    assert sent["messages"][0]["content"][1]["text"] == Task.SPOT
    assert sent["response_format"]["type"] == "json_schema"
    rects = page.locator("#boxes rect")
    expect(rects).to_have_count(2)
    expect(rects.nth(0).locator("title")).to_have_text("Café Lumière")
    picture = page.locator("#preview").bounding_box()
    box = rects.nth(1).bounding_box()
    assert picture
    assert box
    assert box["x"] - picture["x"] == pytest.approx(picture["width"] / 4, abs=2)
    assert box["y"] - picture["y"] == pytest.approx(picture["height"] / 2, abs=2)
    assert box["width"] == pytest.approx(picture["width"] * 3 / 4, abs=3)
