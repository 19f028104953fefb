"""What a model writes is shown, and can do nothing.

The answers are made up here, where no page brings the bundled model to write such things.
"""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

SHOW = """async ({ answer, partialText }) => {
    const { Viewer } = await import("/page/viewer.js");
    if (!window.viewer) {
        document.querySelector("main").innerHTML =
            `<div id="left"></div><div id="right"></div>`;
        const [left, right] = ["left", "right"].map((id) => document.getElementById(id));
        window.corrected = [];
        const onChange = (answer) => window.corrected.push(answer);
        window.viewer = new Viewer(left, right, { onChange });
    }
    window.viewer.show({ picture: null, answer, partialText });
}"""
SHOWN = "#right .page-text"


def answer(*contents: str, images: list[Any] | None = None, lines: Any = None) -> dict[str, Any]:
    """A page with blocks of these contents; `lines` are those of the first."""
    corners = {"top_left_x": 0, "top_left_y": 0, "bottom_right_x": 100, "bottom_right_y": 20}
    blocks = [
        {"type": "text", "content": content, **corners, "qwen_ocr": {"lines": []}}
        for content in contents
    ]
    if lines:
        blocks[0]["qwen_ocr"] = {"lines": lines}
    return {
        "index": 0,
        "markdown": "\n\n".join(contents),
        "images": images or [],
        "dimensions": {"dpi": 72, "width": 100, "height": 100},
        "tables": [],
        "blocks": blocks,
        "qwen_ocr": {
            "confidence": 0.9,
            "warnings": [],
            "turned": 0,
            "skew": 0,
            "text_layer": False,
        },
    }


def line(text: str, *confidence: float) -> dict[str, Any]:
    return {"text": text, "box": [0, 0, 100, 20], "words": [], "confidence": confidence}


def show(page: Page, answer: Any, partial_text: str = "") -> None:
    page.evaluate(SHOW, {"answer": answer, "partialText": partial_text})


def correct(page: Page, word: str, text: str) -> Any:
    """The answer after a correction."""
    page.locator("#right .word", has_text=word).first.dblclick()
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    return page.evaluate("window.corrected.at(-1)")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<script>window.done = 1</script>after", "after"),
        ('<img src="x" onerror="window.done = 1">after', "after"),
        ('<img src="https://example.org/pixel.png" alt="a pixel"> after', "a pixel after"),
        ("![a pixel](https://example.org/pixel.png) after", "a pixel after"),
        ("![](data:image/svg+xml;base64,PHN2Zy8+) after", "after"),
        ("[click](javascript:window.done=1) here", "click here"),
        ('<a href="javascript:window.done=1">click</a> here', "click here"),
        ("https://example.org/ here", "https://example.org/ here"),
        ("<style>body { display: none }</style>\n\nafter", "after"),
        ('<p style="position: fixed; inset: 0" class="error" id="main">after</p>', "after"),
        ('<iframe src="https://example.org/"></iframe>after', "after"),
        ('<form action="https://example.org/"><input name="key"><button>Go</button></form>', "Go"),
        ('<svg onload="window.done = 1"><script>window.done = 1</script></svg>after', "after"),
        ('<math><mtext><img src=x onerror="window.done=1"></mtext></math>after', "after"),
        ('<table><tr><td onclick="window.done = 1">cell</td></tr></table>', "cell"),
        ('<details open ontoggle="window.done = 1">after</details>', "after"),
        ('<meta http-equiv="refresh" content="0; url=https://example.org/">after', "after"),
        ('<link rel="stylesheet" href="https://example.org/x.css">after', "after"),
        ("<template><script>window.done = 1</script></template>after", "after"),
        ("$\\href{javascript:window.done=1}{x}$ after", None),
        ("$\\includegraphics{https://example.org/pixel.png}$ after", None),
    ],
)
def test_hostile_text_does_nothing(page: Page, content: str, text: str | None) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    show(page, answer(content, "the end"))
    expect(page.locator(SHOWN)).to_contain_text("the end")
    if text is not None:
        expect(page.locator(f"{SHOWN} .block").first).to_have_text(text)
    for element in page.locator(f"{SHOWN} *").all():
        element.dispatch_event("click")
    page.wait_for_timeout(200)
    assert page.evaluate("window.done") is None
    assert not [url for url in asked if "example.org" in url]
    left = page.evaluate(
        """(shown) => [...document.querySelectorAll(`${shown} .block *`)].flatMap((element) => [
            element.localName,
            ...[...element.attributes].map(({ name }) => name),
        ])""",
        SHOWN,
    )
    harmless = {"p", "span", "table", "tbody", "tr", "td", "div", "code", "math", "mrow", "mi"}
    assert set(left) <= harmless | {"class", "tabindex", "data-formula", "mtext", "merror"}


def test_markdown_and_html_are_rendered(page: Page) -> None:
    show(
        page,
        answer(
            "# Title",
            "- one\n- **two**\n\n1. first\n2. second",
            "| a | b |\n| --- | ---: |\n| x\\|y | 2 |",
            '<table><tr><td colspan="2">wide</td></tr><tr><td>l</td><td>r</td></tr></table>',
            "first  \nsecond",
            "> quoted",
            "H<sub>2</sub>O & 3 < 4",
        ),
    )
    blocks = page.locator(f"{SHOWN} .block")
    expect(blocks.nth(0).locator("h1")).to_have_text("Title")
    expect(blocks.nth(1).locator("ul > li strong")).to_have_text("two")
    expect(blocks.nth(1).locator("ol > li")).to_have_count(2)
    expect(blocks.nth(2).locator("td").first).to_have_text("x|y")
    expect(blocks.nth(2).locator("td").last).to_have_css("text-align", "end")
    expect(blocks.nth(3).locator("td[colspan='2']")).to_have_text("wide")
    expect(blocks.nth(4).locator("br")).to_have_count(1)
    expect(blocks.nth(5).locator("blockquote")).to_have_text("quoted")
    expect(blocks.nth(6)).to_have_text("H2O & 3 < 4")


def test_figures_are_those_of_the_page(page: Page) -> None:
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
    images = [
        {"id": "img-0.jpeg", "image_base64": pixel},
        {"id": "img-1.jpeg", "image_base64": "https://example.org/pixel.png"},
        {"id": "img-2.jpeg", "image_base64": None},
    ]
    contents = [f"![figure {number}](img-{number}.jpeg)" for number in range(4)]
    show(page, answer(*contents, images=images))
    expect(page.locator(f"{SHOWN} img")).to_have_count(1)
    expect(page.locator(f"{SHOWN} img")).to_have_attribute("alt", "figure 0")
    expect(page.locator(f"{SHOWN} .block").nth(1)).to_have_text("figure 1")
    expect(page.locator(f"{SHOWN} .block").nth(2)).to_have_text("figure 2")


def test_formulas(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    prices = "He paid $18.40 for the ticket, and $3 to $5 (US$ 7) more."
    show(page, answer(prices))
    expect(page.locator(f"{SHOWN} .block")).to_have_text(prices)
    assert not [url for url in asked if "temml" in url], "pages without formulas do not need it"
    show(
        page,
        answer(
            "Here $E = mc^2$ and \\(a_1\\).",
            "$$\n\\frac{1}{2}\n- 1\n$$",
            "\\[x^2\\]",
            "Broken: $\\frac{1$ here",
        ),
    )
    blocks = page.locator(f"{SHOWN} .block")
    expect(blocks.nth(0).locator("math")).to_have_count(2)
    expect(blocks.nth(1).locator("math mfrac")).to_have_count(1)
    expect(blocks.nth(2).locator("math msup")).to_have_count(1)
    expect(blocks.nth(3)).to_have_text("Broken: $\\frac{1$ here")
    blocks.nth(2).locator("math").dblclick()
    expect(page.get_by_label("Correct the formula")).to_have_value("\\[x^2\\]")
    page.keyboard.type("\\[x^3\\]")
    page.keyboard.press("Enter")
    expect(blocks.nth(2).locator("math mn")).to_have_text("3")
    corrected = page.evaluate("window.corrected.at(-1)")
    assert corrected["blocks"][2]["content"] == "\\[x^3\\]"
    assert "\\[x^3\\]" in corrected["markdown"]


def test_text_that_comes_is_added(page: Page) -> None:
    show(page, None, "The first ")
    page.evaluate("window.first = document.querySelector('#right .coming').firstChild")
    show(page, None, "The first <b>words</b> come.")
    expect(page.locator("#right .coming")).to_have_text("The first <b>words</b> come.")
    assert page.evaluate("document.querySelector('#right .coming').firstChild === window.first"), (
        "what is there is left alone"
    )
    show(page, answer("The page itself."))
    expect(page.locator("#right .coming")).to_have_text("")
    expect(page.locator(SHOWN)).to_have_text("The page itself.")
    show(page, None, "")
    expect(page.locator(SHOWN)).to_have_text("")


def test_chinese_is_marked_and_corrected_character_by_character(page: Page) -> None:
    text = "合同编号：二〇二六年"
    confidence = [0.99, 0.99, 0.4, *[0.99] * 6]
    show(page, answer(text, lines=[line(text, *confidence)]))
    doubtful = page.locator("#right [data-mark=low]")
    expect(doubtful).to_have_text("编")
    answered = correct(page, "编", "偏")
    assert answered["markdown"] == "合同偏号：二〇二六年"
    assert answered["blocks"][0]["qwen_ocr"]["lines"][0]["text"] == "合同偏号：二〇二六年"


def test_a_word_that_a_hyphen_divides_is_one(page: Page) -> None:
    lines = [line("the docu-", 0.9, 0.95), line("ment ends", 0.3, 0.95)]
    show(page, answer("the document ends", lines=lines))
    expect(page.locator("#right [data-mark=low]")).to_have_text("document")
    answered = correct(page, "document", "monument")
    texts = [each["text"] for each in answered["blocks"][0]["qwen_ocr"]["lines"]]
    assert texts == ["the monument", "ends"]
    assert answered["markdown"] == "the monument ends"


def test_a_block_that_a_large_model_wrote_as_a_whole(page: Page) -> None:
    content = "<table><tr><td>Total</td><td>12.50 &amp; more</td></tr></table>"
    whole = line(content, 0.99, 0.4, 0.99)
    show(
        page, answer("Total first", content) | {"blocks": blocks_of("Total first", content, whole)}
    )
    answered = correct(page, "12.50", "<12.80>")
    assert answered["blocks"][1]["content"] == content.replace("12.50", "&lt;12.80&gt;")
    assert answered["blocks"][1]["qwen_ocr"]["lines"][0]["text"] == answered["blocks"][1]["content"]
    assert answered["markdown"] == "Total first\n\n" + answered["blocks"][1]["content"]
    answered = correct(page, "more", "less")
    assert "&lt;12.80&gt; &amp; less" in answered["markdown"]
    expect(page.locator(f"{SHOWN} td").last).to_have_text("<12.80> & less")


def blocks_of(first: str, second: str, whole: dict[str, Any]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = answer(first, second)["blocks"]
    made[1]["qwen_ocr"] = {"lines": [whole]}
    return made


def test_the_right_one_of_two_equal_words_is_corrected(page: Page) -> None:
    first, second = "to be or not to be", "to be"
    show(page, answer(first, second, lines=[line(first, *[0.9] * 6)]))
    page.locator("#right .word").nth(6).dblclick()
    page.keyboard.type("To")
    page.keyboard.press("Enter")
    answered = page.evaluate("window.corrected.at(-1)")
    assert answered["markdown"] == "to be or not to be\n\nTo be"
    page.locator("#right .word").nth(5).dblclick()
    page.keyboard.type("see *this*")
    page.keyboard.press("Enter")
    answered = page.evaluate("window.corrected.at(-1)")
    assert answered["markdown"] == "to be or not to see \\*this\\*\n\nTo be"
    expect(page.locator(f"{SHOWN} .block").first).to_have_text("to be or not to see *this*")


def test_a_page_without_blocks_is_shown_too(page: Page) -> None:
    without = answer("# Title", "Some text.")
    del without["blocks"]
    show(page, without)
    expect(page.locator(f"{SHOWN} h1")).to_have_text("Title")
    answered = correct(page, "text.", "words.")
    assert answered["markdown"] == "# Title\n\nSome words."
