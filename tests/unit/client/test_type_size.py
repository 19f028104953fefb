"""What counts as small type, and how far it is enlarged for the model that needs it."""

import io

import pytest
from PIL import Image, ImageDraw, ImageFont

from qwen_ocr import family_of
from qwen_ocr.families import FAMILIES, MAX_ENLARGEMENT
from qwen_ocr.images import known_size, load_image, plan_page
from qwen_ocr.type_size import type_height

MINI = family_of("mini")
LINES = ("The ferry to the island leaves", "at a quarter past six and takes", "about two hours.")


def block(size: int, ink: str = "black", paper: str = "white") -> Image.Image:
    """Three lines of type of `size` pixels."""
    font = ImageFont.load_default(size)
    image = Image.new("RGB", (size * 18, size * 6), paper)
    draw, text = ImageDraw.Draw(image), "\n".join(LINES)
    draw.multiline_text((size, size), text, ink, font, spacing=size / 2)
    return image


@pytest.mark.parametrize("size", [10, 14, 20, 30, 48])
def test_the_height_is_that_of_the_lines(size: int) -> None:
    assert 0.65 * size <= type_height(block(size)) <= 1.05 * size


@pytest.mark.parametrize(("ink", "paper"), [("white", "black"), ("#ffe9b0", "#14304a")])
def test_light_type_on_dark_paper_is_as_high(ink: str, paper: str) -> None:
    assert abs(type_height(block(18, ink, paper)) - type_height(block(18))) <= 1


@pytest.mark.parametrize("degrees", [-1.5, 1.5])
def test_lines_that_rise_stay_apart(degrees: float) -> None:
    straight = block(20)
    turned = straight.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    assert abs(type_height(turned) - type_height(straight)) <= 3


def test_a_rule_and_leaders_are_no_type() -> None:
    image = block(20)
    draw = ImageDraw.Draw(image)
    for y in (4, 8, 100, 104, 108, 112):
        draw.line((0, y, image.width, y), "black")
    assert abs(type_height(image) - type_height(block(20))) <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
@pytest.mark.parametrize("size", [(1, 1), (300, 200)])
def test_an_empty_page_has_no_type(mode: str, size: tuple[int, int]) -> None:
    assert type_height(Image.new(mode, size)) == 0
    faint = Image.effect_noise(size, 5).convert(mode) if mode != "1" else Image.new(mode, size, 1)
    assert type_height(faint) == 0


def test_small_type_is_enlarged_and_large_type_is_not() -> None:
    def scale(size: int) -> float:
        image = block(size)
        return MINI.enlarged(image.size, type_height(image))[0] / image.width

    assert scale(8) == MAX_ENLARGEMENT
    assert 1.2 < scale(22) < MAX_ENLARGEMENT
    assert scale(40) == 1


def test_an_enlarged_image_keeps_its_shape_and_stays_within_what_it_may_cost() -> None:
    for size in ((400, 300), (1300, 60), (60, 1300)):
        across, down = MINI.enlarged(size, 10)
        assert across > size[0]
        assert across / down == pytest.approx(size[0] / size[1], rel=0.02)
        assert across * down <= 1.02 * MINI.enlarged_tokens * MINI.factor**2
    full = (1024, 512)
    assert MINI.enlarged(full, 10) == full  # which is more than that already


def test_an_empty_page_is_not_enlarged() -> None:
    assert MINI.enlarged((300, 200), 0) == (300, 200)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != MINI], ids=lambda f: f.name)
def test_other_models_see_small_type_as_it_is(family: object) -> None:
    assert family.enlarged((300, 200), 5) == (300, 200)  # type: ignore[attr-defined]


def test_the_plan_counts_what_the_server_enlarges() -> None:
    small, empty = block(14), Image.new("RGB", block(14).size, "white")
    plan = plan_page(known_size(load_image(small)), MINI)
    assert plan.size == small.size  # sent as it is
    assert plan.tokens > plan_page(known_size(load_image(empty)), MINI).tokens
    across, down = MINI.resized(MINI.enlarged(small.size, type_height(small)))
    assert plan.tokens == across * down // MINI.factor**2
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    assert plan_page(known_size(load_image(buffer.getvalue())), MINI) == plan
