"""A page beside its text: what is pointed at, zoomed, turned, marked as doubtful, and corrected."""

import io
import re
from collections.abc import Callable
from math import ceil, floor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from tests.page.test_access import serious

from qwen_ocr import OCRClient

PAGES = Path(__file__).parents[1] / "evaluation/pages"


def read(page: Page, path: Path) -> None:
    page.set_input_files("#file-input", path)
    expect(page.locator("#finish")).to_have_attribute("data-finish", "read")


def word(page: Page, text: str) -> Locator:
    return page.locator("#text-view .word", has_text=text).first


def lit(page: Page) -> Locator:
    """What is lit of the blocks on the picture."""
    return page.locator("#picture rect.lit")


def marked(page: Page) -> Locator:
    return page.locator("#text-view .word:is([data-mark=mid], [data-mark=low])")


def kept(page: Page) -> Any:
    """The answer of the only page, as the browser keeps it."""
    return page.evaluate(
        """async () => {
            const { openStore } = await import("/page/store.js");
            const store = await openStore();
            const [document] = await store.documents();
            const answers = await store.answers(document.id);
            return [...answers.values()][0];
        }"""
    )


def middle(locator: Locator) -> tuple[float, float]:
    box = locator.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_block_and_its_text_light_each_other(page: Page) -> None:
    read(page, PAGES / "invoice-clean.png")
    sections, outlines = page.locator("#text-view .block"), page.locator("#picture rect")
    expect(page.locator("#text-view h2")).to_have_text("Invoice")
    expect(page.locator("#text-view td").first).to_have_text("Pasta")
    sections.nth(3).hover()
    expect(lit(page)).to_have_attribute("data-kind", "table")
    expect(sections.nth(3)).to_have_class("block lit")
    page.locator("#page-title").hover()
    expect(lit(page)).to_have_count(0)
    page.mouse.move(*middle(outlines.first))
    expect(page.locator(".block.lit")).to_have_text("Invoice")
    assert page.locator(".block.lit").count() == 1


def test_a_click_on_the_picture_leads_to_the_word(page: Page) -> None:
    read(page, PAGES / "invoice-clean.png")
    word(page, "Shampoo").click()
    place = middle(page.locator("#picture rect[data-kind=word]"))
    word(page, "Invoice").click()
    page.mouse.click(*place)
    expect(word(page, "Shampoo")).to_be_focused()
    expect(lit(page)).to_have_attribute("data-kind", "table")
    page.mouse.dblclick(*place)
    expect(page.get_by_label("Correct Shampoo")).to_be_focused()


@pytest.mark.parametrize("scan", ["letter-turned.png", "letter-skewed.png"])
def test_a_page_is_upright_and_words_are_where_they_are_outlined(page: Page, scan: str) -> None:
    read(page, PAGES / scan)
    zoom_in = page.get_by_role("button", name="Larger")
    for _ in range(3):
        zoom_in.click()
    words = page.locator("#text-view .word")
    for place in (0, words.count() // 2, words.count() - 1):
        words.nth(place).click()
        box = page.locator("#picture rect[data-kind=word]").bounding_box()
        assert box is not None
        assert box["width"] > box["height"] > 5, "upright words are wide"
        page.locator(".sheet svg").evaluate("(layer) => { layer.style.opacity = 0; }")
        shot = Image.open(io.BytesIO(page.screenshot(clip=box))).convert("L")
        dark = shot.point(lambda value: 255 if value < 128 else 0)
        left, top, right, bottom = dark.getbbox() or (0, 0, 0, 0)
        assert 1 <= left < 8, "a word begins where its outline does"
        assert shot.width - 8 < right < shot.width, "and ends where it ends"
        assert bottom - top > shot.height / 3


def test_doubtful_words_are_marked_in_both_and_found(
    page: Page, samples: Path, client: OCRClient
) -> None:
    read(page, samples / "receipt.png")
    (read_page,) = client.read_document(samples / "receipt.png", confidence=True).pages
    doubtful = [word.text for word in read_page.words if word.confidence < 0.9]
    assert doubtful, "there is nothing to be seen"
    expect(marked(page)).to_have_text(doubtful)
    expect(page.locator("#picture rect:is([data-kind=mid], [data-kind=low])")).to_have_count(
        len(doubtful)
    )
    expect(page.locator(".doubts")).to_contain_text(f"{len(doubtful)} doubtful words")
    for text in (*doubtful, doubtful[0]):
        page.get_by_role("button", name="Next doubtful word").click()
        expect(page.locator(".word:focus")).to_have_text(text)
    page.get_by_role("button", name="Previous doubtful word").click()
    expect(page.locator(".word:focus")).to_have_text(doubtful[-1])


def test_a_word_is_corrected_and_kept(page: Page, samples: Path) -> None:
    read(page, samples / "receipt.png")
    before = marked(page).count() - (word(page, "1L").get_attribute("data-mark") is not None)
    word(page, "1L").dblclick()
    page.keyboard.type("one litre")
    page.keyboard.press("Enter")
    expect(word(page, "litre")).to_have_attribute("data-mark", "corrected")
    expect(word(page, "one")).to_be_focused()
    assert "The model read: 1L" in (word(page, "one").get_attribute("title") or "")
    expect(marked(page)).to_have_count(before)
    expect(page.locator("#picture rect[data-kind=corrected]")).to_have_count(2)
    answer = kept(page)
    assert "| Oat milk one litre | 7.01 |" in answer["markdown"]
    assert "| Oat milk one litre | 7.01 |" in answer["blocks"][2]["content"]
    (line,) = (
        line
        for line in answer["blocks"][2]["qwen_ocr"]["lines"]
        if line["text"] == "Oat milk one litre"
    )
    assert line["confidence"][2:] == [1, 1]
    assert len(line["words"]) == 4
    for score in answer["confidence_scores"]["word_confidence_scores"]:
        assert answer["markdown"].startswith(score["text"], score["start_index"])
    page.reload()
    expect(word(page, "litre")).to_have_attribute("data-mark", "corrected")


def test_a_correction_given_up_and_a_word_confirmed(page: Page, samples: Path) -> None:
    read(page, samples / "receipt.png")
    before = marked(page).count()
    doubtful = marked(page).first.inner_text()
    word(page, doubtful).dblclick()
    page.keyboard.type("nonsense")
    page.keyboard.press("Escape")
    expect(word(page, doubtful)).to_be_focused()
    expect(marked(page)).to_have_count(before)
    assert "nonsense" not in kept(page)["markdown"]
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(word(page, doubtful)).to_have_attribute("data-mark", "corrected")
    expect(word(page, doubtful)).to_have_attribute("title", "Confirmed by you")
    expect(marked(page)).to_have_count(before - 1)
    # Leaving the field keeps what was written, as anywhere else.
    word(page, "Lumière").dblclick()
    page.keyboard.type("Lumiere <b>&|")
    page.locator("#page-title").click()
    expect(page.locator("#text-view .block").first).to_have_text("Café Lumiere <b>&|")
    assert kept(page)["blocks"][0]["qwen_ocr"]["lines"][0]["text"] == "Café Lumiere <b>&|"


def test_a_word_is_deleted(page: Page, samples: Path) -> None:
    read(page, samples / "receipt.png")
    word(page, "no.").dblclick()
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")
    expect(page.locator("#text-view .block").last).to_have_text("Receipt BP24ZGSEJ")
    (line,) = kept(page)["blocks"][3]["qwen_ocr"]["lines"]
    assert (line["text"], len(line["words"]), len(line["confidence"])) == (
        "Receipt BP24ZGSEJ",
        2,
        2,
    )


def test_the_text_with_the_keyboard(page: Page, samples: Path) -> None:
    read(page, samples / "receipt.png")
    page.locator("#panel-text").focus()
    for _ in range(4):
        page.keyboard.press("Tab")
        if page.locator(".word:focus").count():
            break
    expect(page.locator(".word:focus")).to_have_text("Café")
    for key, text in (
        ("ArrowRight", "Lumière"),
        ("ArrowDown", "13.10.2031"),
        ("ArrowDown", "Espresso"),
        ("ArrowLeft", "20:12"),
        ("End", "BP24ZGSEJ"),
        ("Home", "Café"),
    ):
        page.keyboard.press(key)
        expect(page.locator(".word:focus")).to_have_text(text)
        expect(lit(page)).to_have_count(1)
    page.keyboard.press("Enter")
    page.keyboard.type("Cafe")
    page.keyboard.press("Enter")
    expect(page.locator(".word:focus")).to_have_text("Cafe")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".word:focus")).to_have_text("Lumière")


def test_zoom_and_turn(page: Page, samples: Path) -> None:
    read(page, PAGES / "invoice-clean.png")
    sheet, scroller = page.locator(".sheet"), page.locator(".scroller")
    share = page.locator(".share")

    def size() -> tuple[float, float]:
        box = sheet.bounding_box()
        assert box is not None
        return box["width"], box["height"]

    frame = scroller.bounding_box()
    assert frame is not None
    width, height = size()
    assert frame["width"] * 0.9 < width < frame["width"]
    page.get_by_role("button", name="The whole page").click()
    assert size()[1] < frame["height"]
    page.get_by_role("button", name="Turn").click()
    assert size()[0] > size()[1]
    assert size()[0] < frame["width"]
    for _ in range(3):
        page.get_by_role("button", name="Turn").click()
    page.get_by_role("button", name="As wide as the window").click()
    assert size() == pytest.approx((width, height))

    outline = page.locator("#picture rect").nth(3)
    before = middle(outline)
    page.mouse.move(*before)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    expect(share).not_to_have_text("23%")
    assert size()[0] > 1.5 * width
    assert middle(outline) == pytest.approx(before, abs=3), "what is pointed at stays"
    zoomed = size()
    word(page, "Pasta").dblclick()
    page.keyboard.type("Noodles")
    page.keyboard.press("Enter")
    expect(word(page, "Noodles")).to_be_visible()
    assert size() == pytest.approx(zoomed), "a correction leaves the picture as it is"
    at, hand = middle(outline), middle(page.locator("#picture rect[data-kind=word]"))
    page.mouse.move(*hand)
    page.mouse.down()
    page.mouse.move(hand[0] - 50, hand[1] - 40, steps=3)
    page.mouse.up()
    assert middle(outline) == pytest.approx((at[0] - 50, at[1] - 40), abs=3), "it is taken along"
    expect(word(page, "Noodles")).not_to_be_focused()  # the end of a drag is no click
    scroller.focus()
    page.keyboard.press("0")
    assert size() == pytest.approx((width, height))


def test_two_fingers_and_two_taps(open_page: Callable[..., Page], samples: Path) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    read(page, samples / "receipt.png")
    before = page.locator(".sheet").bounding_box()
    frame = page.locator(".scroller").bounding_box()
    assert before is not None
    assert frame is not None
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    cdp = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80), ("touchEnd", 0)):
        points = [{"x": x + sign * apart, "y": y, "id": sign + 1} for sign in (-1, 1) if apart]
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    with Image.open(samples / "receipt.png") as receipt:
        twice = 2 * before["width"] / receipt.width
    expect(page.locator(".share")).to_have_text(
        re.compile(f"^({floor(100 * twice)}|{ceil(100 * twice)})%$")
    )
    total = word(page, "TOTAL")
    total.tap()
    expect(total).to_be_focused()
    expect(lit(page)).to_have_attribute("data-kind", "table")
    total.tap()
    expect(page.get_by_label("Correct TOTAL")).to_be_focused()


def test_figures_that_the_server_cut_out(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "illustrated.png"
    with Image.open(PAGES / "letter-clean.png") as clean:
        letter = clean.convert("L")
        letter.paste(Image.radial_gradient("L").resize((700, 500)), (300, 1500))
        letter.save(path)
    read(page, path)
    figure = page.locator("#text-view .block[data-type=image] img")
    expect(figure).to_have_count(1)
    wide = figure.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }")
    assert wide == pytest.approx(700, abs=30)
    figure.hover()
    expect(lit(page)).to_have_attribute("data-kind", "image")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_axe_finds_nothing_serious_beside_the_picture(
    open_page: Callable[..., Page], samples: Path, scheme: str, locale: str
) -> None:
    page = open_page(color_scheme=scheme, locale=locale, reduced_motion="reduce")
    read(page, samples / "receipt.png")
    word(page, "1L").dblclick()
    page.keyboard.type("1l")
    page.keyboard.press("Enter")
    expect(page.locator("[data-mark=corrected]")).to_be_visible()
    expect(marked(page).first).to_be_visible()
    assert serious(page) == []
    word(page, "TOTAL").dblclick()
    expect(page.locator(".word-input")).to_be_focused()
    assert serious(page) == []
