"""Lines of type, found from drawn ink."""

import numpy as np

from qwen_ocr_serve.documents.lines import extent, find_lines


def test_a_letter_that_stands_alone_belongs_to_no_line_above() -> None:
    ink = np.zeros((400, 600), dtype=bool)

    def draw(left: int, top: int, width: int, height: int) -> None:
        ink[top : top + height, left : left + width] = True

    for left in range(40, 520, 24):
        draw(left, 60, 18, 20)
    draw(112, 60, 18, 28)  # reaches down
    for left in range(40, 440, 24):
        draw(left, 96, 18, 20)
    # Behind a wide gap in the second line, 共 is a large piece of ink above two small ones.
    draw(500, 92, 20, 15)
    draw(500, 109, 7, 7)
    draw(513, 109, 7, 7)
    lines = sorted(find_lines(ink).lines, key=lambda line: (line.top, line.left))
    assert [extent([line]) for line in lines] == [
        (40, 60, 514, 88),
        (500, 92, 520, 116),
        (40, 96, 442, 116),
    ]
