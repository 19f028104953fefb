"""For everybody: no mouse, no sight, a phone, another language, another colour scheme."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect


def serious(page: Page) -> list[str]:
    """The serious and critical violations that axe finds on a page as it is."""
    results = Axe().run(page)
    return [
        f"{violation['id']}: {node['html']}"
        for violation in results.response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def read(page: Page, *paths: Path) -> None:
    page.set_input_files("#file-input", paths)
    expect(page.locator("#finish")).to_have_attribute("data-finish", "read")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_axe_finds_nothing_serious(
    open_page: Callable[..., Page], samples: Path, tmp_path: Path, scheme: str, locale: str
) -> None:
    # Colours that are still changing have no contrast that could be measured.
    page = open_page(color_scheme=scheme, locale=locale, reduced_motion="reduce")
    assert serious(page) == []
    blank, text = tmp_path / "blank.png", tmp_path / "notes.txt"
    Image.new("L", (300, 200), 255).save(blank)
    text.write_text("text")
    read(page, samples / "receipt.png", blank, text)
    expect(page.locator("#strip [data-state=doubtful]")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_visible()
    assert serious(page) == []
    page.locator("#tab-code").click()
    assert serious(page) == []
    page.locator("#clear").click()
    assert serious(page) == []
    page.keyboard.press("Escape")
    page.evaluate("document.querySelector('#key-dialog').showModal()")
    assert serious(page) == []


def test_axe_is_able_to_find_something(page: Page) -> None:
    page.evaluate(
        """() => {
            const picture = document.createElement("img");
            picture.src = "/page/icon.svg";
            document.querySelector("main").append(picture);
        }"""
    )
    assert any(violation.startswith("image-alt:") for violation in serious(page))


def test_everything_works_with_the_keyboard(page: Page, many_pages: Callable[[int], Path]) -> None:
    def tab_to(element_id: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == element_id:
                return
        raise AssertionError(f"{element_id} cannot be reached")

    # Now, not with the key press: the browser is told to expect it, and nobody waits until it does.
    page.on("filechooser", lambda chooser: None)
    tab_to("choose")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(many_pages(3))
    expect(page.locator("#progress")).to_have_text("3 of 3 pages read")

    pages = page.get_by_role("navigation", name="Pages").locator(".thumbnail")
    pages.nth(0).focus()
    page.keyboard.press("ArrowDown")
    expect(pages.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(pages.nth(1)).to_have_attribute("aria-current", "page")
    expect(page.locator("#page-number")).to_have_text("2 of 3")
    page.keyboard.press("End")
    expect(pages.nth(2)).to_be_focused()
    assert page.locator(".thumbnail[tabindex='0']").count() == 1, "one stop for the Tab key"

    tab_to("tab-text")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#panel-code")).to_be_visible()
    expect(page.locator("#tab-code")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-text")).to_be_visible()

    page.route("**/v1/ocr", lambda route: None)  # reads until it is stopped
    tab_to("read")
    page.keyboard.press("Enter")
    expect(page.locator("#stop")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#read")).to_be_focused()
    expect(page.locator("#finish")).to_have_attribute("data-finish", "read")


def test_a_screen_reader_hears_the_text_in_few_pieces(page: Page, samples: Path) -> None:
    page.evaluate(
        """() => {
            window.heard = [];
            const region = document.querySelector("#announcer");
            new MutationObserver(() => window.heard.push(region.textContent)).observe(
                region, { childList: true, characterData: true, subtree: true });
        }"""
    )
    read(page, samples / "receipt.png")
    heard = page.evaluate("window.heard")
    assert "Reading…" in heard
    assert len(heard) <= 12
    text = "".join(heard)
    for word in ("Espresso", "TOTAL", "Receipt no."):
        assert text.count(word) == 1, "nothing is said twice"
    assert text.endswith("\nRead")
    assert page.locator("#announcer").get_attribute("aria-live") == "polite"


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_a_phone(open_page: Callable[..., Page], samples: Path, locale: str) -> None:
    page = open_page(
        viewport={"width": 360, "height": 740},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
        locale=locale,
    )

    def overflow() -> int:
        return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    expect(page.locator("#photo")).to_be_visible()
    assert page.locator("#photo-input").get_attribute("capture") == "environment"
    assert "Ctrl" not in page.locator("body").inner_text()
    expect(page.locator("#choose-folder")).to_be_hidden()
    assert overflow() <= 0
    page.set_input_files("#photo-input", samples / "receipt.png")
    expect(page.locator("#finish")).to_have_attribute("data-finish", "read")
    page.set_input_files("#file-input", samples / "line.png")
    expect(page.locator("#strip [data-state=read]")).to_have_count(2)
    assert overflow() <= 0
    page.locator("#tab-code").tap()
    assert overflow() <= 0
    assert serious(page) == []


def test_cameras_are_for_fingers(page: Page) -> None:
    expect(page.locator("#photo")).to_be_hidden()
    expect(page.locator("#choose-folder")).to_be_visible()


def test_the_language_is_the_browsers_until_another_is_chosen(
    open_page: Callable[..., Page], samples: Path
) -> None:
    page = open_page(locale="zh-CN")
    expect(page.locator("#choose")).to_have_text("选择文件")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    read(page, samples / "line.png")
    expect(page.locator("#finish")).to_contain_text("已识别，置信度")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.locator("#finish")).to_contain_text("Read, ")
    expect(page.locator("#read")).to_have_text("Read again")
    assert page.locator("html").get_attribute("lang") == "en"
    page.reload()
    expect(page.locator("#read")).to_have_text("Read again")


def test_every_text_is_there_in_both_languages_and_used(page: Page) -> None:
    strings = page.evaluate("async () => (await import('/page/strings.js')).strings")
    folder = Path(__file__).parents[2] / "serve" / "qwen_ocr_serve" / "page" / "static"
    sources = "".join(path.read_text("utf-8") for path in folder.glob("*.[jh]*[sl]"))
    sources = sources.replace((folder / "strings.js").read_text("utf-8"), "")
    for key, texts in strings.items():
        assert set(texts) == {"en", "zh"}
        assert all(texts.values())
        family = key.partition(".")[0]
        assert f'"{key}"' in sources or f"`{family}.${{" in sources, f"{key} is not used"
    named = page.evaluate(
        """() => [...document.querySelectorAll("[data-text], [data-label], [data-placeholder]")]
            .flatMap(({ dataset }) => [dataset.text, dataset.label, dataset.placeholder])
            .filter(Boolean)"""
    )
    presets = page.evaluate("fetch('/page/config.json').then((answer) => answer.json())")["presets"]
    assert {*named, *(f"preset.{preset['name']}" for preset in presets)} <= set(strings)


def test_motion_is_reduced_when_asked(open_page: Callable[..., Page], samples: Path) -> None:
    def animation(page: Page) -> str:
        page.route("**/v1/ocr", lambda route: None)
        page.set_input_files("#file-input", samples / "line.png")
        expect(page.locator("#finish")).to_have_attribute("data-finish", "reading")
        dot = "getComputedStyle(document.querySelector('#finish'), '::before')"
        return str(page.evaluate(f"{dot}.animationName"))

    assert animation(open_page()) == "turn"
    assert animation(open_page(reduced_motion="reduce")) == "none"
