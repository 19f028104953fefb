"""What is found on pages drawn for it."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from qwen_ocr.families import QWEN3_VL
from qwen_ocr_serve.documents.analysis import analyse, analyse_blocks, is_legible
from qwen_ocr_serve.documents.layout import LAYOUT, Layout
from qwen_ocr_serve.documents.photos import find_photos

A4 = (1240, 1754)
WORDS = (
    "The committee put off the vote because the figures for March did not add up and nobody knew "
)


class Sheet:
    """A page to write on."""

    def __init__(self, size: tuple[int, int] = A4, colour: int = 255) -> None:
        self.image = Image.new("L", size, colour)
        self._draw = ImageDraw.Draw(self.image)
        self._ink = 0 if colour > 128 else 255

    def write(self, x: int, y: int, text: str, size: int = 26) -> None:
        font = ImageFont.load_default(size)
        self._draw.text((x, y), text, self._ink, font)

    def paragraph(self, top: int, rows: int = 10, left: int = 150) -> None:
        for row in range(rows):
            self.write(left, top + 40 * row, WORDS[row:] + WORDS[:row])

    def layout(self) -> Layout:
        return analyse(self.image, 150).layout

    def kinds(self) -> list[str]:
        return [block.kind for block in self.layout().blocks]


def test_a_title_a_paragraph_and_the_margins() -> None:
    sheet = Sheet()
    sheet.write(150, 60, "Annual report", 24)
    sheet.write(150, 250, "What the survey found", 60)
    sheet.paragraph(400)
    sheet.write(600, 1680, "Page 12", 24)
    layout = sheet.layout()
    assert [block.kind for block in layout.blocks] == ["header", "title", "text", "footer"]
    title, text = layout.blocks[1:3]
    assert (title.level, text.prose, len(text.rows)) == (1, True, 10)
    assert LAYOUT.validate_json(LAYOUT.dump_json(layout)) == layout


def test_a_note_has_no_margins() -> None:
    sheet = Sheet()
    sheet.write(150, 60, "Please call back", 26)
    sheet.paragraph(800, rows=3)
    assert sheet.kinds() == ["text", "text"]


def test_a_table_is_one_and_justified_lines_are_none() -> None:
    sheet = Sheet()
    sheet.paragraph(200)
    for row in range(5):
        for column, x in enumerate((150, 550, 900)):
            sheet.write(x, 800 + 50 * row, f"Cell {row} {column}")
    (table,) = (block for block in sheet.layout().blocks if block.kind == "table")
    assert [[piece.column for piece in row] for row in table.rows] == [[0, 1, 2]] * 5
    spread = Sheet()
    for row in range(6):
        for column in range(7):
            spread.write(150 + 150 * column, 300 + 45 * row, WORDS.split()[row + column])
        spread.write(150, 700 + 40 * row, WORDS)
    words = Sheet()
    for row in range(6):
        words.write(150, 300 + 45 * row, "    ".join(WORDS.split()[row : row + 8]))
    assert "table" not in words.kinds()


def test_a_form_with_an_empty_field() -> None:
    sheet = Sheet()
    for row, label in enumerate(("Name", "Street", "Town", "Telephone", "Reason")):
        sheet.write(150, 300 + 60 * row, label)
        if row != 3:
            sheet.write(600, 300 + 60 * row, "filled in by hand")
    (block,) = sheet.layout().blocks
    assert block.kind == "table"
    assert [len(row) for row in block.rows] == [2, 2, 2, 1, 2]


def test_a_photo_is_found_cut_out_and_read_by_nobody() -> None:
    sheet = Sheet()
    sheet.paragraph(200)
    photo = Image.radial_gradient("L").resize((500, 400))
    sheet.image.paste(photo, (300, 700))
    sheet.paragraph(1200)
    found = analyse(sheet.image, 150, figures=True)
    assert [block.kind for block in found.layout.blocks] == ["text", "image", "text"]
    left, top, right, bottom = found.layout.blocks[1].box
    assert (left, top, right, bottom) == pytest.approx((300, 700, 800, 1100), abs=15)
    (figure,) = found.figures
    with Image.open(io.BytesIO(figure)) as picture:
        assert picture.size == (right - left, bottom - top)


def test_a_panel_and_paper_in_the_shade_are_no_photos() -> None:
    sheet = Sheet()
    ImageDraw.Draw(sheet.image).rectangle((100, 100, 1100, 600), fill=200)
    sheet.paragraph(180, rows=8)
    assert find_photos(np.asarray(sheet.image), [], 26) == []
    shade = Image.linear_gradient("L").rotate(90).resize((1240, 1754)).point(lambda v: 255 - v // 3)
    page = Sheet()
    page.paragraph(200, rows=30)
    shaded = np.minimum(np.asarray(shade), np.asarray(page.image))
    kinds = [block.kind for block in analyse(Image.fromarray(shaded), 150).layout.blocks]
    assert set(kinds) == {"text"}


BLOCKS = Path(__file__).parents[2] / "evaluation"
TRUTH = [json.loads(row) for row in (BLOCKS / "truth.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("truth", TRUTH[::7], ids=lambda truth: truth["file"])
@pytest.mark.parametrize("scale", [1, 4])
def test_a_part_of_a_page_has_all_its_lines(truth: dict[str, str], scale: int) -> None:
    # Of a few lines that fill the picture, letters are as large as pictures on a whole page.
    image = Image.open(BLOCKS / truth["file"]).convert("L")
    large = image.resize((image.width * scale, image.height * scale), Image.Resampling.LANCZOS)
    layout = analyse(large, 150).layout
    assert sum(len(block.rows) for block in layout.blocks) == len(truth["text"].splitlines())
    assert "image" not in {block.kind for block in layout.blocks}
    assert layout.turned == 0


@pytest.mark.parametrize("scale", [2, 3, 5])
def test_a_line_that_looks_like_itself_upside_down_is_left_as_it_is(scale: int) -> None:
    image = Image.open(BLOCKS / "line-19.png").convert("L")
    large = image.resize((image.width * scale, image.height * scale), Image.Resampling.LANCZOS)
    assert analyse(large, 150).layout.turned == 0


def test_large_type_on_a_label_is_text() -> None:
    label = Sheet((560, 280))
    label.write(60, 110, "Hello world", 66)
    (block,) = label.layout().blocks
    assert (block.kind, len(block.rows)) == ("text", 1)


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_turned_page_is_turned_back(angle: int) -> None:
    sheet = Sheet()
    sheet.paragraph(200, rows=30)
    layout = analyse(sheet.image.rotate(angle, expand=True), 150).layout
    assert layout.turned == 360 - angle
    assert (layout.width, layout.height) == A4


def test_blocks_in_one_piece_each_for_a_model_that_reads_blocks() -> None:
    sheet = Sheet()
    sheet.write(150, 100, "What the survey found", 60)
    sheet.paragraph(300)
    found = analyse_blocks(sheet.image.convert("RGB"), 150, None)
    assert [(block.whole, len(block.rows)) for block in found.layout.blocks] == [(True, 1)] * 2
    with Image.open(io.BytesIO(found.pieces[1])) as piece:
        left, top, right, bottom = found.layout.blocks[1].box
        assert piece.mode == "RGB"
        assert right - left < piece.width < right - left + 60
        assert bottom - top < piece.height < bottom - top + 60


def test_a_page_whose_type_would_be_too_small() -> None:
    sheet = Sheet()
    sheet.paragraph(200, rows=30)
    tokens = A4[0] * A4[1] // QWEN3_VL.factor**2
    assert is_legible(sheet.image, replace(QWEN3_VL, budget=2 * tokens))
    assert is_legible(sheet.image, replace(QWEN3_VL, budget=tokens // 4))
    assert not is_legible(sheet.image, replace(QWEN3_VL, budget=tokens // 16))
    assert is_legible(Image.new("L", A4, 255), replace(QWEN3_VL, budget=64))
