"""In which order lines are read, and where they are cut."""

from qwen_ocr_serve.documents.columns import in_reading_order, rows_of
from qwen_ocr_serve.documents.lines import Line
from qwen_ocr_serve.documents.pieces import cut

HEIGHT = 20.0
PITCH = 36
"""Pixels from one line to the next."""


def line(left: int, right: int, row: int, *, shift: int = 0) -> Line:
    """A line of words of 80 pixels, 12 apart, in a row that counts from 0."""
    words = [(start, min(start + 80, right)) for start in range(left, right, 92)]
    top = PITCH * row + shift
    return Line(left, top, right, top + 20, HEIGHT, HEIGHT, tuple(words))


def column(left: int, right: int, rows: range, *, shift: int = 0) -> list[Line]:
    return [line(left, right - 30 * (row % 3), row, shift=shift) for row in rows]


def test_columns_are_read_one_after_the_other() -> None:
    title = line(0, 900, 0)
    left, right = column(0, 420, range(2, 14)), column(470, 890, range(2, 14), shift=7)
    foot = line(0, 900, 16)
    regions = in_reading_order([foot, *right, *left, title], HEIGHT)
    assert [sorted(map(id, region)) for region in regions] == [
        sorted(map(id, region)) for region in ([title], left, right, [foot])
    ]


def test_columns_whose_lines_stand_at_the_same_height_are_columns_too() -> None:
    left, right = column(0, 420, range(12)), column(470, 890, range(12))
    assert in_reading_order([*left, *right], HEIGHT) == [left, right]


def test_three_columns() -> None:
    columns = [column(left, left + 280, range(12), shift=left // 50) for left in (0, 330, 660)]
    assert in_reading_order([x for lines in columns[::-1] for x in lines], HEIGHT) == [
        sorted(lines, key=lambda x: lines.index(x)) for lines in columns
    ]


def test_the_rows_of_a_table_stay_together() -> None:
    names = [line(0, 90 + 40 * (row % 3), row) for row in range(12)]
    prices = [line(700, 760, row) for row in range(12)]
    (table,) = in_reading_order([*prices, *names], HEIGHT)
    assert [[x.left for x in row] for row in rows_of(table)] == [[0, 700]] * 12


def test_a_white_strip_of_four_lines_is_no_gutter() -> None:
    whole = column(0, 890, range(8))
    whole += [x for row in range(8, 12) for x in (line(0, 420, row), line(470, 890, row))]
    assert len(in_reading_order([*whole, *column(0, 890, range(12, 20))], HEIGHT)) == 1


def test_nothing_is_lost_and_nothing_is_twice() -> None:
    page = [x for left in (0, 300, 600) for x in column(left, left + 260, range(30), shift=left)]
    read = [x for region in in_reading_order(page, HEIGHT) for x in region]
    assert sorted(map(id, read)) == sorted(map(id, page))
    assert in_reading_order([], HEIGHT) == []


def test_a_long_line_is_cut_between_words_into_pieces_that_are_alike() -> None:
    row = [line(0, 1500, 0)]
    pieces = cut(row, HEIGHT)
    assert [word for piece in pieces for word in piece] == list(row[0].letters)
    widths = [piece[-1][1] - piece[0][0] for piece in pieces]
    assert max(widths) <= 44 * HEIGHT
    assert min(widths) > 0.5 * max(widths)


def test_a_word_of_any_length_is_one_piece() -> None:
    word = Line(0, 0, 5000, 20, HEIGHT, HEIGHT, ((0, 5000),))
    assert cut([word], HEIGHT) == [[(0, 5000)]]
