"""Pictures of parts of a line, as the bundled model is given them."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from qwen_ocr_serve.documents.analysis import analyse
from qwen_ocr_serve.documents.ink import Grey
from qwen_ocr_serve.documents.lines import Line
from qwen_ocr_serve.documents.pieces import HEIGHT, SQUARE, Neighbours
from qwen_ocr_serve.documents.pieces import picture as picture_of
from qwen_ocr_serve.documents.pieces import pieces_of as pieces_of_row

PAPER, INK = 230, 20


def pieces_of(image: Image.Image) -> list[Grey]:
    """The pictures of all pieces of a page."""
    found = []
    for piece in analyse(image, 150).pieces:
        with Image.open(io.BytesIO(piece)) as picture:
            found.append(np.asarray(picture))
    return found


def page(*texts: tuple[int, int, str], size: int = 40) -> Image.Image:
    """A page with texts at their places."""
    image = Image.new("L", (1240, 800), PAPER)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size)
    for x, y, text in texts:
        draw.text((x, y), text, INK, font)
    return image


def inked_rows(picture: Grey) -> tuple[int, int]:
    """The first row with ink, and the one after the last."""
    rows = np.flatnonzero((picture < (PAPER + INK) // 2).any(axis=1))
    return int(rows[0]), int(rows[-1]) + 1


@pytest.mark.parametrize("size", [12, 22, 40, 90])
def test_type_of_any_size_fills_two_rows_of_tokens(size: int) -> None:
    pictures = pieces_of(page((100, 200, "Bring pens, ink"), (100, 400, "and gloves"), size=size))
    assert len(pictures) == 2
    for picture in pictures:
        assert picture.shape[0] == HEIGHT
        assert picture.shape[1] % SQUARE == 0
        top, bottom = inked_rows(picture)
        assert 1 <= top <= 4
        assert HEIGHT - 4 <= bottom <= HEIGHT - 1


def test_letters_that_reach_far_up_and_down_are_whole() -> None:
    (picture,) = pieces_of(page((100, 300, "Ågren, Éluard (Çapek) {Ñ}")))
    top, bottom = inked_rows(picture)
    assert top >= 1
    assert bottom <= HEIGHT - 1


def test_a_wide_gap_is_shortened_and_a_long_line_is_cut() -> None:
    (picture,) = pieces_of(page((100, 300, "Total"), (900, 300, "12.50")))
    assert picture.shape[1] < 300
    pictures = pieces_of(page((60, 300, "the long line of a letter to all of them " * 2), size=28))
    assert len(pictures) > 1
    assert all(picture.shape[1] <= 1000 for picture in pictures)


def test_nothing_is_shown_of_the_lines_above_and_below() -> None:
    """Their letters reach between those of the line."""
    lines = [(100, 200 + 36 * number, "gypsy jig, piggy by my bag") for number in range(3)]
    alone = pieces_of(page(lines[1]))
    crowded = pieces_of(page(*lines))
    assert len(crowded) == 3
    ink = [(picture < (PAPER + INK) // 2).sum() for picture in (*alone, crowded[1])]
    assert ink[1] == pytest.approx(ink[0], rel=0.06)


def test_a_line_that_others_reach_over_keeps_a_row_of_pixels() -> None:
    """As in noise, whose specks stand within each other."""
    above, line, below = (
        Line(100, top, 200, bottom, 10.0, 10.0, ((100, 200),))
        for top, bottom in ((40, 130), (100, 110), (90, 180))
    )
    room = Neighbours([above, line, below]).room([line])
    assert room == (105, 106)
    (piece,) = pieces_of_row(400, [line], 10.0)
    page = np.full((200, 400), PAPER, dtype=np.uint8)
    assert picture_of(page, piece, room).shape[0] == HEIGHT
