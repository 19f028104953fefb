"""What people do with the page, in a real browser before the real server."""

import base64
import json
import re
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page, Route, expect

from qwen_ocr import OCRClient, family_of
from qwen_ocr.images import known_size, load_image, plan_page
from qwen_ocr.pdf import PDF
from qwen_ocr_serve.launch.local_server import LocalServer

CHAT = "**/v1/chat/completions"
EVALUATION_PAGES = Path(__file__).parents[1] / "evaluation/pages"
DROP = """([selector, name, type, data]) => {
    const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    if (name) dataTransfer.items.add(new File([bytes], name, { type }));
    else dataTransfer.setData("text/plain", "no file");
    const options = { bubbles: true, cancelable: true, dataTransfer };
    for (const kind of ["dragenter", "dragover", "drop"]) {
        document.querySelector(selector).dispatchEvent(new DragEvent(kind, options));
    }
}"""


def give(page: Page, path: Path) -> None:
    page.set_input_files("#file-input", path)


def expect_finish(page: Page, finish: str) -> None:
    expect(page.locator("#finish")).to_have_attribute("data-finish", finish)


def text_of(page: Page) -> str:
    # Not `inner_text`, which has the line breaks of the layout.
    return page.locator("#text").text_content() or ""


def sent_image(page: Page, path: Path) -> bytes:
    """The bytes of the image that the page sends for a file."""
    with page.expect_request(CHAT) as request:
        give(page, path)
    sent: Any = request.value.post_data_json
    url = sent["messages"][0]["content"][0]["image_url"]["url"]
    return base64.b64decode(url.partition(",")[2])


def test_a_dropped_picture_is_read_as_the_client_reads_it(
    page: Page, client: OCRClient, samples: Path
) -> None:
    path = samples / "receipt.png"
    data = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(DROP, ["#drop", path.name, "image/png", data])
    expect_finish(page, "stop")
    result = client.ocr(path, confidence=True)
    assert text_of(page) == result.text
    assert "Espresso" in result.text
    doubtful = [word.text for word in result.words if word.confidence < 0.9]
    assert doubtful
    assert page.locator("#text mark").all_text_contents() == doubtful
    very = [word.text for word in result.words if word.confidence < 0.5]
    assert page.locator('#text mark[data-sure="low"]').all_text_contents() == very
    assert result.usage
    expect(page.locator("#numbers")).to_contain_text(
        f"{result.usage.prompt_tokens:,} in, {result.usage.completion_tokens:,} out"
    )
    expect(page.locator("#numbers")).to_contain_text("First token")
    expect(page.locator("#finish")).to_have_text("Finished")


def test_a_whole_page_is_sent_as_it_is_and_read(page: Page) -> None:
    path = EVALUATION_PAGES / "letter-skewed.png"
    with Image.open(path) as image:
        assert Image.open(BytesIO(sent_image(page, path))).size == image.size
    expect_finish(page, "stop")
    expect(page.locator("#text")).to_contain_text("Yours sincerely")


def test_the_marks_can_be_turned_off(page: Page, samples: Path) -> None:
    give(page, samples / "receipt.png")
    expect_finish(page, "stop")
    mark = page.locator("#text mark").first
    assert mark.evaluate("element => getComputedStyle(element).textDecorationLine") == "underline"
    page.get_by_label("Mark doubtful words").uncheck()
    assert mark.evaluate("element => getComputedStyle(element).textDecorationLine") == "none"


def test_a_picture_is_pasted(open_page: Callable[..., Page], samples: Path) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    data = base64.b64encode((samples / "line.png").read_bytes()).decode()
    page.evaluate(
        """async (data) => {
            const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
            const blob = new Blob([bytes], { type: "image/png" });
            await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""",
        data,
    )
    page.locator("body").press("Control+v")
    expect_finish(page, "stop")
    assert "days" in text_of(page)


def test_text_is_pasted_where_the_cursor_is(open_page: Callable[..., Page]) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('Read the total.')")
    page.locator("#prompt").fill("")
    page.locator("#prompt").press("Control+v")
    expect(page.locator("#prompt")).to_have_value("Read the total.")
    expect(page.locator("#preset")).to_have_value("own")
    expect(page.locator("#error")).to_be_hidden()


def test_stop_keeps_the_text_and_stops_the_server(
    open_page: Callable[..., Page], server: LocalServer, samples: Path
) -> None:
    def endless(route: Route) -> None:
        # The bundled model ends too soon to be stopped, unless it is told not to end.
        config = route.fetch().json()
        config["request"]["ignore_eos"] = True
        config["request"].pop("repetition_detection")
        route.fulfill(json=config)

    def running() -> int:
        with urlopen(f"{server.base_url}/health", timeout=30) as response:
            return int(json.load(response)["concurrent_requests"])

    page = open_page(lambda page: page.route("**/page/config.json", endless))
    give(page, samples / "paragraph.png")
    expect(page.locator("#text")).to_have_text(re.compile(".{20}"))
    assert running() == 1
    before = text_of(page)
    page.get_by_role("button", name="Stop").click()
    expect_finish(page, "stopped")
    expect(page.locator("#finish")).to_have_text("Stopped by you")
    assert text_of(page).startswith(before)
    expect(page.locator("#error")).to_be_hidden()
    deadline = time.monotonic() + 20
    while running() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running() == 0
    expect(page.get_by_role("button", name="Read again")).to_be_visible()


def test_a_new_picture_replaces_the_one_that_is_being_read(
    page: Page, client: OCRClient, samples: Path
) -> None:
    with page.expect_request(CHAT):
        give(page, samples / "receipt.png")
    give(page, samples / "line.png")
    expect(page.locator("#file")).to_have_text("line.png")
    expect_finish(page, "stop")
    assert text_of(page) == client.ocr(samples / "line.png").text


def test_a_new_picture_leaves_nothing_of_the_last_reading(page: Page, samples: Path) -> None:
    path = samples / "line.png"
    give(page, path)
    expect_finish(page, "stop")
    data = base64.b64encode(path.read_bytes()).decode()
    # Both in one turn of the browser's event loop: before the picture is prepared.
    left = page.evaluate(
        f"""(given) => {{
            ({DROP})(given);
            return [
                document.querySelector("#text").textContent,
                document.querySelector("#finish").dataset.finish,
            ];
        }}""",
        ["#drop", path.name, "image/png", data],
    )
    assert left == ["", ""]
    expect_finish(page, "stop")


def test_bytes_that_need_nothing_are_sent_untouched(page: Page, samples: Path) -> None:
    for name in ("degraded.jpg", "dark.png"):
        assert sent_image(page, samples / name) == (samples / name).read_bytes()


def test_a_large_photograph_is_turned_upright(page: Page, samples: Path, tmp_path: Path) -> None:
    upright = Image.open(samples / "paragraph.png").convert("RGB").resize((3000, 1200))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    path = tmp_path / "photo.jpg"
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)
    sent = Image.open(BytesIO(sent_image(page, path)))
    assert sent.format == "JPEG"
    mini = family_of("mini")
    assert sent.size == plan_page(known_size(load_image(path)), mini).size
    reference = upright.resize(sent.size).convert("L")
    pairs = zip(sent.convert("L").tobytes(), reference.tobytes(), strict=True)
    assert sum(abs(a - b) for a, b in pairs) / (sent.width * sent.height) < 4


def test_what_is_transparent_is_white(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    image = Image.new("RGBA", (2000, 1200), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((200, 300), "Hello there", fill="black", font_size=60)
    image.save(path)
    give(page, path)
    expect_finish(page, "stop")
    expect(page.locator("#text")).to_contain_text("Hello there")


@pytest.fixture(scope="session")
def pdf(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pages, which are the samples pixel by pixel when rendered as the page does."""
    path = tmp_path_factory.mktemp("pdf") / "three.pdf"
    first, *others = (
        Image.open(samples / name).convert("RGB") for name in ("line.png", "form.png", "small.png")
    )
    first.save(path, save_all=True, append_images=others, resolution=200)
    return path


def test_the_pages_of_a_pdf_are_a_strip(page: Page, client: OCRClient, pdf: Path) -> None:
    give(page, pdf)
    expect_finish(page, "stop")
    with PDF(pdf) as opened:
        texts = [str(client.ocr(opened.render(number, 200))) for number in (1, 2, 3)]
    assert text_of(page) == texts[0]
    strip: Locator = page.get_by_role("list", name="Pages").get_by_role("button")
    expect(strip).to_have_count(3)
    expect(page.locator("#strip img")).to_have_count(3)
    expect(strip.nth(0)).to_have_attribute("aria-current", "page")
    strip.nth(0).focus()
    page.keyboard.press("ArrowRight")
    expect(strip.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(strip.nth(1)).to_have_attribute("aria-current", "page")
    expect(page.locator("#text")).to_have_text(texts[1], use_inner_text=False)
    expect_finish(page, "stop")


def test_the_strip_goes_with_its_pdf(page: Page, pdf: Path, samples: Path) -> None:
    give(page, pdf)
    expect(page.locator("#strip")).to_be_visible()
    give(page, samples / "line.png")
    expect(page.locator("#strip")).to_be_hidden()
    expect_finish(page, "stop")


def test_the_text_is_copied_and_downloaded(open_page: Callable[..., Page], samples: Path) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    give(page, samples / "line.png")
    expect_finish(page, "stop")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == text_of(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "line.txt"
    assert Path(download.value.path()).read_text("utf-8") == text_of(page)


def test_what_the_bundled_model_cannot_do_is_not_offered(page: Page) -> None:
    presets = page.get_by_label("What to read")
    expect(presets.locator("option")).to_have_text(["All text", "My own prompt"])
    presets.select_option(label="My own prompt")
    expect(page.locator("#preset-note")).to_contain_text("plain printed text only")


def test_a_doubtful_reading_does_not_look_finished(
    open_page: Callable[..., Page], samples: Path, tmp_path: Path
) -> None:
    page = open_page()
    upside_down = tmp_path / "scan.png"
    Image.open(samples / "paragraph.png").rotate(180).save(upside_down)
    give(page, upside_down)
    expect_finish(page, "doubtful")
    expect(page.locator("#finish")).to_contain_text("the model is not sure of this text")
    finished = "getComputedStyle(document.querySelector('#finish'), '::before').backgroundColor"
    doubtful = page.evaluate(finished)
    page.locator("#language").click()
    expect(page.locator("#finish")).to_contain_text("模型对这段文字没有把握")
    blank = tmp_path / "blank.png"
    Image.new("L", (300, 200), 255).save(blank)
    give(page, blank)
    expect(page.locator("#finish")).to_contain_text("没有发现文字")
    expect_finish(page, "doubtful")
    give(page, samples / "paragraph.png")
    expect_finish(page, "stop")
    assert page.evaluate(finished) != doubtful
