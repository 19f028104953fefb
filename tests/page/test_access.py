"""For everybody: no mouse, no sight, a phone, another language, another colour scheme."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
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


def read(page: Page, path: Path) -> None:
    page.set_input_files("#file-input", path)
    expect(page.locator("#finish")).to_have_attribute("data-finish", "stop")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_axe_finds_nothing_serious(
    open_page: Callable[..., Page], samples: Path, scheme: str, locale: str
) -> None:
    # Colours that are still changing have no contrast that could be measured.
    page = open_page(color_scheme=scheme, locale=locale, reduced_motion="reduce")
    assert serious(page) == []
    read(page, samples / "receipt.png")
    expect(page.locator("#text mark").first).to_be_visible()
    assert serious(page) == []
    page.locator("#tab-code").click()
    assert serious(page) == []
    page.locator("#tab-text").click()
    page.locator("#prompt").fill("")
    page.locator("#read").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert serious(page) == []
    page.evaluate("document.querySelector('#key-dialog').showModal()")
    assert serious(page) == []


def test_axe_is_able_to_find_something(page: Page) -> None:
    page.evaluate("document.querySelector('#prompt').labels[0].remove()")
    assert any(violation.startswith("label:") for violation in serious(page))


def test_everything_works_with_the_keyboard(page: Page, samples: Path) -> None:
    def tab_to(element_id: str) -> None:
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == element_id:
                return
        raise AssertionError(f"{element_id} cannot be reached")

    # Now, not with the key press: the browser is told to expect it, and nobody waits until it does.
    page.on("filechooser", lambda chooser: None)
    tab_to("choose")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(samples / "line.png")
    finish = page.locator("#finish")
    expect(finish).to_have_attribute("data-finish", "stop")

    tab_to("preset")
    tab_to("prompt")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#stop")).to_be_visible()
    expect(finish).to_have_attribute("data-finish", "stop")

    tab_to("read")
    page.keyboard.press("Enter")
    expect(page.locator("#stop")).to_be_focused()
    expect(finish).to_have_attribute("data-finish", "stop")
    expect(page.locator("#read")).to_be_focused()

    tab_to("tab-text")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-code")).to_be_visible()
    expect(page.locator("#tab-code")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-text")).to_be_visible()
    tab_to("tint")
    page.keyboard.press("Space")
    expect(page.locator("#tint")).not_to_be_checked()


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
    expect(page.locator("#announcer")).to_contain_text("Finished")
    heard = page.evaluate("window.heard")
    assert heard[0] == "Reading…"
    assert 2 <= len(heard) <= 12
    assert "".join(heard[1:]).removesuffix("\nFinished") == page.locator("#text").text_content()
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
    assert overflow() <= 0
    page.set_input_files("#photo-input", samples / "receipt.png")
    expect(page.locator("#finish")).to_have_attribute("data-finish", "stop")
    assert overflow() <= 0
    expect(page.locator("#text")).to_be_in_viewport()
    page.locator("#tab-code").tap()
    assert overflow() <= 0
    assert serious(page) == []


def test_cameras_are_for_fingers(page: Page) -> None:
    expect(page.locator("#photo")).to_be_hidden()


def test_the_language_is_the_browsers_until_another_is_chosen(
    open_page: Callable[..., Page], samples: Path
) -> None:
    page = open_page(locale="zh-CN")
    expect(page.locator("#read")).to_have_text("识别")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    read(page, samples / "line.png")
    expect(page.locator("#finish")).to_have_text("已完成")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.locator("#finish")).to_have_text("Finished")
    expect(page.locator("#read")).to_have_text("Read again")
    assert page.locator("html").get_attribute("lang") == "en"
    page.reload()
    expect(page.locator("#read")).to_have_text("Read")


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
        """() => [...document.querySelectorAll("[data-text], [data-label]")].flatMap(
            ({ dataset }) => [dataset.text, dataset.label].filter(Boolean))"""
    )
    presets = page.evaluate("fetch('/page/config.json').then((answer) => answer.json())")["presets"]
    assert {*named, *(f"preset.{preset['name']}" for preset in presets)} <= set(strings)


def test_motion_is_reduced_when_asked(open_page: Callable[..., Page]) -> None:
    def animation(page: Page) -> str:
        return str(
            page.evaluate("getComputedStyle(document.querySelector('#progress')).animationName")
        )

    assert animation(open_page()) == "slide"
    assert animation(open_page(reduced_motion="reduce")) == "none"
