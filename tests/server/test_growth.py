"""What the growth benchmark computes from what it measured, and the pages that it sends."""

import io
import math
from pathlib import Path

import growth
import pytest
from growth_plot import Rows, draw
from load import evaluation_files, evaluation_pages, percentiles
from PIL import Image

from qwen_ocr import family_of

NAN = math.nan
# At once, pages/s, p50, p95, p99, MiB, cores of the API server and of the engine, failed.
ROWS = [
    (1, 1.3, 0.8, 1.2, 1.3, 1100.0, 0.10, 0.70, 0),
    (16, 7.3, 2.0, 3.0, 3.1, 1150.0, 0.15, 0.90, 0),
    (64, 15.6, 4.0, 6.9, 7.0, 1300.0, 0.25, 0.97, 0),
    (256, 16.3, 14.0, 19.9, 20.0, 1400.0, 0.27, 0.98, 0),
]


def test_the_knee_is_the_first_near_the_highest_speed() -> None:
    assert growth.knee(ROWS) == 2
    assert growth.knee(ROWS[:1]) == 0
    # A dip after it does not move it.
    assert growth.knee([*ROWS, (512, 12.0, *ROWS[-1][2:])]) == 2


def test_the_knee_is_explained() -> None:
    said = growth.explain(ROWS, 2, 128)
    assert said == (
        "knee: 64 at once reach 96 % of 16.3 pages/s; bound by computing: 0.97 of 2 cores are the "
        "engine's, 0.25 the API server's; requests beyond 128 at once wait their turn"
    )
    assert "wait their turn" not in growth.explain(ROWS, 2, None)


@pytest.mark.parametrize(
    ("api", "engine", "cores", "begins"),
    [
        (0.2, 0.95, 2, "computing"),
        (0.95, 0.5, 2, "the API server"),
        (0.8, 0.8, 1, "the machine"),
        (0.1, 0.2, 2, "waiting"),
        (NAN, NAN, 0, "the server runs on another machine"),
    ],
)
def test_what_bounds_a_server(api: float, engine: float, cores: int, begins: str) -> None:
    assert growth.bound_by(api, engine, cores).startswith(begins)


def test_percentiles_stay_within_what_was_measured() -> None:
    p50, p95, p99 = percentiles([1.0, 2.0, 3.0])
    assert p50 == 2.0
    assert 2.0 < p95 < p99 <= 3.0
    assert all(map(math.isnan, percentiles([1.0])))


def test_no_page_comes_twice() -> None:
    pages = evaluation_pages("line")
    taken = pages.take(50)
    pixels = {Image.open(io.BytesIO(page)).tobytes() for page in taken}
    assert len(pixels) == 50
    # Only one pixel tells the first from the first of the next turn.
    first, again = (Image.open(io.BytesIO(taken[number])) for number in (0, 20))
    assert first.size == again.size
    again.putpixel((0, 0), first.getpixel((0, 0)) or 0)
    assert first.tobytes() == again.tobytes()


def test_pages_of_text_have_one_size() -> None:
    files = evaluation_files("small")
    for pieces in growth.PIECES:
        for first in range(len(files)):
            chosen = [files[(first + number) % len(files)] for number in range(pieces)]
            assert Image.open(io.BytesIO(growth.stacked(chosen))).size == growth.CANVAS
    with pytest.raises(ValueError, match="too small"):
        growth.stacked(files, canvas=(450, 100))


def test_pages_have_as_many_visual_tokens_as_asked_for() -> None:
    model = "Qwen/Qwen3-VL-8B-Instruct"
    page = Image.open(io.BytesIO(growth.text_pages(model, 1024).take(1)[0]))
    width, height = family_of(model).resized(page.size)
    assert (width, height) == page.size
    assert width * height // family_of(model).factor ** 2 == pytest.approx(1024, rel=0.03)


def test_the_plot_is_small(tmp_path: Path) -> None:
    path = tmp_path / "growth.svg"
    tables: dict[str, Rows] = {
        "concurrency": ROWS,
        "megapixels": [(0.1, 4.0, 2.0, 3.0, 0.1), (12.0, 1.0, 8.0, 9.0, 2.0)],
        "length": [(116, 60, 4.0, 440.0, 2.0, 3.0), (1044, 540, 1.0, 990.0, 8.0, 9.0)],
    }
    draw(tables, path)
    picture = path.read_text()
    assert picture.count("pages/s") == 3
    assert "peak memory" in picture
    assert len(picture) < 100_000
    # A server on another machine has no memory to show, and its pages do not grow.
    draw({"concurrency": [(*row[:5], NAN, NAN, NAN, 0) for row in ROWS]}, path)
    assert "peak memory" not in path.read_text()
