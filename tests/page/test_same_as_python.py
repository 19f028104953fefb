"""What the page computes for itself is what the Python client computes."""

import json
import random
from typing import Any

import pytest
from playwright.sync_api import Page

from qwen_ocr.boxes import read_spots, to_pixels
from qwen_ocr.confidence import LOW_CONFIDENCE, Token, warnings_of, words_of
from qwen_ocr.families import FAMILIES, family_of
from qwen_ocr.repetition import ends_in_loop
from qwen_ocr_serve.api.web_page_config import page_config

MODELS = {
    "mini": "mini",
    "qwen2-vl": "Qwen/Qwen2-VL-7B-Instruct",
    "qwen2.5-vl": "Qwen/Qwen2.5-VL-7B-Instruct",
    "qwen3-vl": "Qwen/Qwen3-VL-8B-Instruct",
    "qwen3.5": "Qwen/Qwen3.5-9B",
    "dots.ocr": "rednote-hilab/dots.ocr",
    "lightonocr": "lightonai/LightOnOCR-2-1B",
}


def call(page: Page, module: str, function: str, cases: list[list[Any]]) -> list[Any]:
    """The results of a function of the page's scripts for many lists of arguments."""
    results: list[Any] = page.evaluate(
        """async ([module, name, cases]) => {
            const functions = await import(`/page/${module}`);
            return cases.map((args) => functions[name](...args));
        }""",
        [module, function, cases],
    )
    return results


def test_every_family_is_tried() -> None:
    assert set(MODELS) == {family.name for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_sizes(page: Page, family: Any) -> None:
    rng = random.Random(7)
    facts = page_config(MODELS[family.name], family)["family"]
    sizes = [(rng.randint(1, 5000), rng.randint(1, 5000)) for _ in range(1000)]
    # Where rounding is decided: multiples of the factor and half of one more.
    half = family.factor // 2
    sizes += [(half * rng.randint(1, 99), half * rng.randint(1, 99)) for _ in range(500)]
    fitted = call(page, "family.js", "fit", [[facts, size] for size in sizes])
    assert [tuple(size) for size in fitted] == [family.fit(size) for size in sizes]
    seen = call(page, "family.js", "resized", [[facts, size] for size in fitted])
    assert [tuple(size) for size in seen] == [family.resized(tuple(size)) for size in fitted]


def test_loops(page: Page) -> None:
    rng = random.Random(7)
    texts = ["", "a", "." * 5000, "." * 4999, "0 " * 600, "Dot leaders ....... 7\n" * 60]
    for size in (1, 7, 49, 50, 51, 300, 1000, 1001):
        pattern = "".join(rng.choices("ab \n", k=size))
        texts += ["Head. " + pattern * copies for copies in (19, 20, 21, 99, 100, 101)]
    rules = page_config("mini", family_of("mini"))["loop"]
    for ended in (True, False):
        found = call(page, "loop.js", "endsInLoop", [[text, ended, rules] for text in texts])
        assert found == [ends_in_loop(text, ended=ended) for text in texts]
        assert True in found
        assert False in found


def test_word_confidences(page: Page) -> None:
    rng = random.Random(7)
    text = "Café 12.50 €\n\nIt's  naïve: 漢字、「メール」 of 🎉 wo\ufffdrds\n"
    data = text.encode()
    cases = []
    for _ in range(100):
        cuts = sorted(rng.sample(range(1, len(data)), 12))
        bounds = zip([0, *cuts], [*cuts, len(data)], strict=True)
        tokens = [Token(data[a:b], -rng.random() / 3) for a, b in bounds]
        cases.append([*tokens, Token(b"", -0.1), Token(b"<|end|>", -2.0)])
    before, _, after = text.partition("naïve:")
    cases.append([Token(before.encode(), -0.1), Token(b"", -0.2), Token(after.encode(), -0.3)])
    start, _, rest = text.partition("\ufffd")
    cases.append([Token(start.encode(), -0.1), Token(b"\xe6", -0.2), Token(rest.encode(), -0.3)])
    cases.append([Token(b"Something else", -0.1)])
    results = page.evaluate(
        """async ([text, cases]) => {
            const { partsOf } = await import("/page/confidence.js");
            return cases.map((tokens) => partsOf(text, tokens.map(
                ([bytes, logprob]) => ({ bytes: Uint8Array.from(bytes), logprob }))));
        }""",
        [text, [[[list(token.data), token.logprob] for token in case] for case in cases]],
    )
    for case, parts in zip(cases, results, strict=True):
        assert "".join(part["text"] for part in parts) == text
        words = [part for part in parts if part["confidence"] is not None]
        expected = words_of(text, case)
        assert [word["text"] for word in words] == [word.text for word in expected]
        assert [word["confidence"] for word in words] == pytest.approx(
            [word.confidence for word in expected]
        )
    assert not words_of(text, cases[-1])


def test_warnings(page: Page) -> None:
    low = page_config("mini", family_of("mini"))["low_confidence"]
    assert low == LOW_CONFIDENCE
    values = (None, 0.0, low - 0.001, low, 1.0)
    cases: list[list[Any]] = [[text, value, low] for text in ("", " \n", "a") for value in values]
    found = call(page, "confidence.js", "warningOf", cases)
    assert [[code] if code else [] for code in found] == [
        list(warnings_of(text, value)) for text, value, _ in cases
    ]
    assert set(found) == {None, "no_text", "low_confidence"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_boxes(page: Page, family: Any) -> None:
    size = (700, 900)
    spotted = [
        {"bbox_2d": [10, 20, 300, 40], "text_content": 'Braces } and "quotes" \\ \u00e9'},
        {"bbox_2d": [300, 60, 10, 50], "text_content": "crossed"},
        {"bbox_2d": [-5, 90, 4000, 99], "text_content": "beyond"},
    ]
    complete = json.dumps(spotted, indent=1)
    scale = family.box_range or family.resized(size)
    expected = to_pixels(read_spots(complete), size, scale)
    facts = page_config(MODELS[family.name], family)["family"]
    cases = [[f"```json\n{complete}\n```", facts, size], [complete[:-20], facts, size]]
    whole, cut_off = call(page, "boxes.js", "boxesIn", cases)
    assert len(cut_off) == len(expected) - 1
    for found, box in zip(whole, expected, strict=True):
        assert found["text"] == box.text
        edges = [found[edge] for edge in ("left", "top", "right", "bottom")]
        pixels = [round(e * side) for e, side in zip(edges, size * 2, strict=True)]
        assert tuple(pixels) == box.box
