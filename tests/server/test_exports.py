"""Documents as files, by the command line and a real server: words are where the page has them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pypdfium2
import pytest
from PIL import Image

SAMPLES = Path(__file__).parents[1] / "samples"
PAGES = SAMPLES.parent / "evaluation" / "pages"
DPI = 200
ALTO = "{http://www.loc.gov/standards/alto/ns-v4#}"
NEAR = 5
"""Pixels at 200 dpi: 0.6 mm."""


class Placed(NamedTuple):
    """A word and its box: left, top, right and bottom, in pixels of the page as displayed."""

    text: str
    box: tuple[float, ...]


def qwen_ocr(base_url: str, *arguments: object) -> str:
    """What a command prints to stderr, after it ended with exit code 0."""
    program = [sys.executable, "-c", "from qwen_ocr_tools.cli import app; app()"]
    done = subprocess.run(
        [*program, *map(str, arguments), "--base-url", base_url],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def words_of(pdf: Path, *, loose: bool) -> list[Placed]:
    """The words of the first page; `loose` boxes are as high as the font, others as the ink."""
    page = pypdfium2.PdfDocument(pdf)[0]
    scale, height = DPI / 72, page.get_height()
    text = page.get_textpage()
    found: list[Placed] = []
    letters: list[int] = []
    for index in range(text.count_chars() + 1):
        character = text.get_text_range(index, 1) if index < text.count_chars() else " "
        if character.strip():
            letters.append(index)
        elif letters:
            boxes = [text.get_charbox(letter, loose=loose) for letter in letters]
            lefts, bottoms, rights, tops = zip(*boxes, strict=True)
            edges = (min(lefts), height - max(tops), max(rights), height - min(bottoms))
            name = "".join(text.get_text_range(letter, 1) for letter in letters)
            found.append(Placed(name, tuple(edge * scale for edge in edges)))
            letters = []
    return found


def only_once(words: list[Placed]) -> dict[str, tuple[float, ...]]:
    counts = Counter(word.text for word in words)
    return {word.text: word.box for word in words if counts[word.text] == 1}


def scanned(article: Path, path: Path, degrees: int) -> list[Placed]:
    """A scan of the article that lies on its side, and where its words are then."""
    image = pypdfium2.PdfDocument(article)[0].render(scale=DPI / 72).to_pil()
    image.rotate(degrees, expand=True).save(path, dpi=(DPI, DPI))
    width, height = image.size
    words = []
    for text, (left, top, right, bottom) in words_of(article, loose=False):
        box = {
            0: (left, top, right, bottom),
            90: (top, width - right, bottom, width - left),
            180: (width - right, height - bottom, width - left, height - top),
            270: (height - bottom, left, height - top, right),
        }[degrees]
        words.append(Placed(text, box))
    return words


def check_places(found: list[Placed], true: list[Placed], degrees: int) -> None:
    """Words begin and end where they do, and their ink is inside of their boxes."""
    here, there = only_once(found), only_once(true)
    both = here.keys() & there.keys()
    assert len(both) > 0.9 * len(there)
    along = slice(1, None, 2) if degrees % 180 else slice(0, None, 2)
    for word in both:
        box, ink = here[word], there[word]
        assert box[along] == pytest.approx(ink[along], abs=NEAR), word
        assert all(box[side] <= ink[side] + NEAR for side in (0, 1)), word
        assert all(box[side] >= ink[side] - NEAR for side in (2, 3)), word


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_words_of_a_searchable_pdf(
    base_url: str, article: Path, tmp_path: Path, degrees: int
) -> None:
    scan, output = tmp_path / "scan.png", tmp_path / "out.pdf"
    true = scanned(article, scan, degrees)
    qwen_ocr(base_url, "read", scan, "--format", "pdf", "-o", output)
    check_places(words_of(output, loose=True), true, degrees)


def test_words_of_a_searchable_pdf_in_a_batch(base_url: str, article: Path, tmp_path: Path) -> None:
    scan = tmp_path / "scan.png"
    true = scanned(article, scan, 90)
    pdfs, output = tmp_path / "pdf", tmp_path / "out.jsonl"
    qwen_ocr(base_url, "batch", scan, "-o", output, "--searchable-pdf", pdfs)
    (pdf,) = pdfs.rglob("*.pdf")
    check_places(words_of(pdf, loose=True), true, 90)


def test_a_pdf_with_a_text_of_its_own(base_url: str, article: Path, tmp_path: Path) -> None:
    true = words_of(article, loose=False)
    options = ["--format", "json", "--text-layer", "-o", tmp_path]
    qwen_ocr(base_url, "read", article, *options)
    (page,) = json.loads((tmp_path / "article.json").read_text())["pages"]
    assert page["text_layer"] is True
    lines = [line for block in page["blocks"] for line in block["lines"]]
    found = [
        Placed(text, (left, line["box"][1], right, line["box"][3]))
        for line in lines
        for text, (left, right) in zip(line["text"].split(), line["words"], strict=True)
    ]
    check_places(found, true, 0)


def boxes_of(root: ElementTree.Element, kind: str) -> list[tuple[int, ...]]:
    """Of the elements of an hOCR file that are of a class."""
    titles = [each.get("title", "") for each in root.iter() if each.get("class") == kind]
    found = (re.search(r"bbox (\d+) (\d+) (\d+) (\d+)", title) for title in titles)
    return [tuple(map(int, match.groups())) for match in found if match]


@pytest.mark.parametrize("name", ["letter-turned", "book-skewed", "two-columns-clean"])
def test_boxes_cover_the_ink_of_the_scan(base_url: str, tmp_path: Path, name: str) -> None:
    (path,) = PAGES.glob(f"{name}.*")
    qwen_ocr(base_url, "read", path, "--format", "hocr", "-o", tmp_path)
    root = ElementTree.parse(tmp_path / f"{name}.hocr").getroot()
    ink = np.asarray(Image.open(path).convert("L")) < 100
    words = boxes_of(root, "ocrx_word")
    assert len(words) > 30
    assert boxes_of(root, "ocr_page") == [(0, 0, ink.shape[1], ink.shape[0])]
    covered = np.zeros_like(ink)
    for left, top, right, bottom in words:
        assert ink[top:bottom, left:right].any()
        covered[top:bottom, left:right] = True
    assert covered.mean() < 0.5  # not just everything
    assert (ink & covered).sum() > 0.97 * ink.sum()


def test_all_formats_say_the_same(base_url: str, article: Path, tmp_path: Path) -> None:
    for form in ("text", "json", "markdown", "hocr", "alto", "pdf"):
        qwen_ocr(base_url, "read", article, "--format", form, "-o", tmp_path)
    files = {path.suffix: path for path in tmp_path.iterdir() if path.is_file()}
    assert set(files) == {".txt", ".json", ".md", ".hocr", ".xml", ".pdf"}
    text = files[".txt"].read_text()
    assert "Oak posts 48 9,120\n" in text
    (page,) = json.loads(files[".json"].read_text())["pages"]
    assert f"{page['text']}\n" == text

    hocr = ElementTree.parse(files[".hocr"]).getroot()
    spoken = [each.text for each in hocr.iter() if each.get("class") == "ocrx_word"]
    assert spoken == text.split()
    strings = [*ElementTree.parse(files[".xml"]).iter(f"{ALTO}String")]
    assert [each.get("CONTENT") for each in strings] == text.split()
    edges = [
        [int(each.get(n, "")) for n in ("HPOS", "VPOS", "WIDTH", "HEIGHT")] for each in strings
    ]
    assert [(x, y, x + w, y + h) for x, y, w, h in edges] == boxes_of(hocr, "ocrx_word")
    for line in hocr.iter():
        if line.get("class") == "ocr_line":
            words = boxes_of(line, "ocrx_word")
            assert all(before[2] <= after[0] for before, after in pairwise(words))

    markdown = files[".md"].read_text()
    (link,) = re.findall(r"!\[.*?\]\((.*?)\)", markdown)
    with Image.open(tmp_path / link) as picture:
        left, top, right, bottom = page["figures"][0]["box"]
        assert picture.size == (right - left, bottom - top)
    assert boxes_of(hocr, "ocr_image") == [(left, top, right, bottom)]
    assert "| Oak posts | 48 | 9,120 |" in markdown


def test_a_batch_of_files_goes_on_where_it_was(
    base_url: str, article: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scans, out = tmp_path / "scans", tmp_path / "out"
    (scans / "more").mkdir(parents=True)
    shutil.copy(article, scans / "article.pdf")
    shutil.copy(SAMPLES / "form.png", scans / "more" / "form.png")
    command = ("batch", "scans", "--format", "markdown", "-o", out)
    assert "2/2 pages" in qwen_ocr(base_url, *command)
    made = out / "scans" / "article.md"
    assert "![img-0.jpeg](article.figures/page-1-1.jpeg)" in made.read_text()
    assert (made.parent / "article.figures" / "page-1-1.jpeg").read_bytes().startswith(b"\xff\xd8")
    # A file that is there is not made again; one whose document has changed is, and one that fails
    # leaves the others.
    made.write_text("mine")
    form = out / "scans" / "more" / "form.md"
    changed = form.stat().st_mtime_ns + 10**9
    os.utime(scans / "more" / "form.png", ns=(changed, changed))
    form.write_text("old")
    os.utime(form, ns=(changed - 1, changed - 1))
    (scans / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    with pytest.raises(AssertionError, match=r"broken\.pdf"):
        qwen_ocr(base_url, *command)
    assert made.read_text() == "mine"
    assert form.read_text() != "old"
    assert not (out / "scans" / "broken.md").exists()


def test_markdown_is_printed_for_any_page(base_url: str, article: Path) -> None:
    program = [sys.executable, "-c", "from qwen_ocr_tools.cli import app; app()"]
    command = [*program, "read", str(article), "--format", "markdown", "--base-url", base_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "# The new pier\n" in done.stdout
    assert "| Oak posts | 48 | 9,120 |" in done.stdout
