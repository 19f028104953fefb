"""Searchable PDFs: the text is found, where it stands, in any script; the page looks the same."""

import io
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageDraw

from qwen_ocr import PDFError
from qwen_ocr_tools.batch.records import page_of
from qwen_ocr_tools.exports import searchable

SAMPLE = Path(__file__).parents[2] / "samples" / "receipt.pdf"
TEXT = "Café 12,50 €\nСчёт № 7\n請求書 合計\nमूल्य 𝟙𝟚 🧾\n<b>(a\\b)</b>"


def record(path: Path, **fields: Any) -> dict[str, Any]:
    return {"file": str(path), "page": 1, "text": TEXT} | fields


def searchable_pdf(records: list[dict[str, Any]]) -> bytes:
    """The PDF of the file that these records are about."""
    return searchable.searchable_pdf(records[0]["file"], [page_of(each) for each in records])


def mark(path: Path, size: tuple[int, int] = (400, 300), **save: Any) -> Path:
    """An image with a black square in its upper left quarter."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((40, 30, 120, 90), fill="black")
    image.save(path, **save)
    return path


def open_pdf(data: bytes) -> Any:
    return pypdfium2.PdfDocument(data)


def box_of(document: Any, word: str, number: int = 0) -> tuple[float, ...]:
    """Left, top, right and bottom of a word on a page, in parts of the page as displayed."""
    page = document[number]
    text = page.get_textpage()
    index, count = text.search(word, match_case=True).get_next()
    boxes = [text.get_charbox(index + i, loose=True) for i in range(count)]
    edges = [min(b[0] for b in boxes), max(b[3] for b in boxes)]
    edges += [max(b[2] for b in boxes), min(b[1] for b in boxes)]
    # PDFium gives coordinates of the page before it is turned.
    left, bottom, right, top = page.get_cropbox()
    corners = [
        ((x - left) / (right - left), (top - y) / (top - bottom))
        for x, y in [(edges[0], edges[1]), (edges[2], edges[3])]
    ]
    for _ in range(page.get_rotation() // 90):
        corners = [(1 - y, x) for x, y in corners]
    (x1, y1), (x2, y2) = corners
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def extracted(document: Any, number: int = 0) -> str:
    text: str = document[number].get_textpage().get_text_bounded()
    return text.replace("\r\n", "\n").strip()


def test_any_text_comes_back(tmp_path: Path) -> None:
    document = open_pdf(searchable_pdf([record(mark(tmp_path / "a.png"))]))
    assert len(document) == 1
    assert extracted(document) == TEXT
    assert box_of(document, "請求書")


def test_the_page_looks_as_before(tmp_path: Path) -> None:
    source = mark(tmp_path / "a.png")
    (page,) = open_pdf(searchable_pdf([record(source)]))
    picture = page.render(scale=400 / page.get_width()).to_pil().convert("RGB")
    difference = ImageChops.difference(picture, Image.open(source).convert("RGB")).convert("L")
    assert sum(difference.histogram()[3:]) == 0


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [False, True])
def test_boxes_are_kept_on_turned_and_cropped_pages(
    tmp_path: Path, rotate: int, crop: bool
) -> None:
    path = tmp_path / "a.pdf"
    with pikepdf.Pdf.new() as pdf:
        pdf.add_blank_page(page_size=(600, 400))
        pdf.pages[0].rotate(rotate, relative=False)
        if crop:
            pdf.pages[0].cropbox = pikepdf.Array([100, 50, 500, 350])
        pdf.save(path)
    size = pypdfium2.PdfDocument(path)[0].render(scale=2).to_pil().size
    box = [size[0] // 10, size[1] // 5, size[0] // 2, size[1] // 4]
    lines = [{"text": "Total", "box": box}]
    document = open_pdf(searchable_pdf([record(path, lines=lines, size=size)]))
    expected = (0.1, 0.2, 0.5, 0.25)
    assert box_of(document, "Total") == pytest.approx(expected, abs=0.02)


def test_boxes_on_a_photo_that_was_taken_sideways(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = mark(tmp_path / "a.jpg", exif=exif)
    # Upright, the image is 300 × 400, and its square is in the upper right quarter.
    lines = [{"text": "square", "box": [210, 40, 270, 120]}]
    document = open_pdf(searchable_pdf([record(path, lines=lines, size=(300, 400))]))
    box = box_of(document, "square")
    assert box == pytest.approx((0.7, 0.1, 0.9, 0.3), abs=0.02)
    page = document[0].render(scale=300 / document[0].get_width()).to_pil().convert("L")
    assert page.crop((215, 45, 265, 115)).getextrema()[1] < 60


def test_a_pdf_keeps_its_pages(tmp_path: Path) -> None:
    path = tmp_path / "two.pdf"
    with pikepdf.Pdf.open(SAMPLE) as pdf:
        pdf.pages.append(pdf.pages[0])
        pdf.save(path)
    records = [record(path, page=n, text=f"page number {n}") for n in (1, 2)]
    document = open_pdf(searchable_pdf(records))
    assert [extracted(document, n) for n in (0, 1)] == ["page number 1", "page number 2"]
    before = pypdfium2.PdfDocument(path)[1].render().to_pil()
    after = document[1].render().to_pil()
    assert ImageChops.difference(before, after).getbbox() is None


@pytest.mark.parametrize("name", ["a.webp", "a.gif", "a.bmp", "a.tif", "a.ppm", "a.jp2", "a.avif"])
def test_formats(tmp_path: Path, name: str) -> None:
    document = open_pdf(searchable_pdf([record(mark(tmp_path / name))]))
    assert extracted(document) == TEXT


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_colours(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif"
    image = Image.open(mark(tmp_path / "a.png"))
    (image.convert("I").convert(mode) if mode == "I;16" else image.convert(mode)).save(path)
    assert extracted(open_pdf(searchable_pdf([record(path)]))) == TEXT


def test_pages_of_a_tiff(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pages = [Image.new("RGBA", (100, 80), color) for color in ("white", "red", "blue")]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    records = [record(path, page=n, text=f"page {n}") for n in (1, 2, 3)]
    document = open_pdf(searchable_pdf(records))
    assert [extracted(document, n) for n in range(3)] == ["page 1", "page 2", "page 3"]


def test_an_animation_is_one_page(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    Image.new("L", (50, 50)).save(path, save_all=True, append_images=[Image.new("L", (50, 50), 9)])
    assert len(open_pdf(searchable_pdf([record(path)]))) == 1


def test_no_text(tmp_path: Path) -> None:
    assert extracted(open_pdf(searchable_pdf([record(mark(tmp_path / "a.png"), text=" \n")]))) == ""


def test_what_cannot_be_made_into_a_pdf(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(SAMPLE.read_bytes()[:300])
    with pytest.raises(PDFError, match=r"a\.pdf: cannot be made into a searchable PDF"):
        searchable_pdf([record(path)])
    with pytest.raises(PDFError, match="cannot be made"):
        searchable_pdf([record(tmp_path / "gone.png")])


def test_it_is_a_sound_file(tmp_path: Path) -> None:
    data = searchable_pdf([record(mark(tmp_path / "a.png"))])
    with pikepdf.Pdf.open(io.BytesIO(data)) as pdf:
        assert pdf.check_pdf_syntax() == []
