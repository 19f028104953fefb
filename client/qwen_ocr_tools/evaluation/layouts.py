"""Text with its places on the page: hOCR and ALTO, as OCR engines and libraries write them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from qwen_ocr.results import TextBox
from qwen_ocr_tools.evaluation.dataset import IMAGE_SUFFIXES, Dataset, Sample

HOCR_LINES = {"ocr_line", "ocr_header", "ocr_caption", "ocr_textfloat", "ocrx_line"}
"""Classes of what is one line: hOCR 1.2, and what Tesseract writes for lines of a special kind."""


@dataclass(slots=True)
class _Page:
    image: str | None = None
    lines: list[TextBox] = field(default_factory=list)
    pixels: bool = True
    """Whether the boxes are in pixels."""


def load_layouts(dataset: Dataset, files: list[Path]) -> None:
    """hOCR (`.hocr`, `.html`) and ALTO (`.xml`) files, each beside its image.

    The image is the one that the file names, if it is there, or else the one of the same name.
    """
    for file in files:
        place = file.name
        try:
            pages = _read_alto(file) if file.suffix.lower() == ".xml" else _read_hocr(file)
        except (ElementTree.ParseError, ValueError) as exc:
            dataset.problems.append(f"{place}: neither hOCR nor ALTO ({exc})")
            continue
        if not pages:
            dataset.problems.append(f"{place}: no page in it")
        for number, page in enumerate(pages, 1):
            image = _image_of(file, page.image)
            if image is None:
                named = page.image or f"{file.stem}{IMAGE_SUFFIXES[0]}"
                dataset.problems.append(f"{place} page {number}: no such image: {named}")
                continue
            sample = Sample(
                image.name,
                image,
                text="\n".join(line.text for line in page.lines),
                boxes=tuple(page.lines) if page.pixels else None,
            )
            dataset.add(sample, place)


def _image_of(file: Path, named: str | None) -> Path | None:
    candidates = [file.parent / named, file.parent / Path(named).name] if named else []
    stem = file.name.split(".")[0]
    candidates += [file.parent / f"{stem}{suffix}" for suffix in IMAGE_SUFFIXES]
    return next((path for path in candidates if path.is_file()), None)


class _HOCR(HTMLParser):
    """Collects the lines inside of `ocr_page` elements; words are parted by single spaces."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[_Page] = []
        self._depth = 0
        self._line_depth: int | None = None
        self._text: list[str] = []
        self._box = (0, 0, 0, 0)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("br", "img", "meta", "link", "hr", "input"):
            return  # they have no end tag
        self._depth += 1
        values = dict(attrs)
        classes = set((values.get("class") or "").split())
        title = values.get("title") or ""
        if "ocr_page" in classes:
            image = re.search(r"""\bimage\s+(?:"([^"]*)"|'([^']*)'|([^;\s]+))""", title)
            named = next(filter(None, image.groups()), None) if image else None
            self.pages.append(_Page(named))
        elif classes & HOCR_LINES and self.pages:
            box = re.search(r"\bbbox\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)", title)
            if not box:
                raise ValueError(f"a line without bbox: {title!r}")
            left, top, right, bottom = map(int, box.groups())
            self._box = (left, top, right, bottom)
            self._line_depth = self._depth
            self._text = []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content, `<br/>`, changes no depth."""

    def handle_endtag(self, tag: str) -> None:
        if self._depth == self._line_depth:
            text = " ".join("".join(self._text).split())
            if text:
                self.pages[-1].lines.append(TextBox(text, self._box))
            self._line_depth = None
        self._depth -= 1

    def handle_data(self, data: str) -> None:
        if self._line_depth is not None:
            self._text.append(data)


def _read_hocr(file: Path) -> list[_Page]:
    parser = _HOCR()
    parser.feed(file.read_text("utf-8-sig"))
    parser.close()
    return parser.pages


def _read_alto(file: Path) -> list[_Page]:
    root = ElementTree.fromstring(file.read_bytes())
    if _local(root) != "alto":
        raise ValueError(f"its root is {_local(root)!r}")
    image = next((e.text for e in _all(root, "fileName") if e.text), None)
    unit = next((e.text for e in _all(root, "MeasurementUnit")), "pixel")
    pages = list(_all(root, "Page"))
    # The file name is of the whole document: it tells the image only when there is one page.
    image = image.strip() if image and len(pages) == 1 else None
    return [_Page(image, [*_alto_lines(page)], pixels=unit == "pixel") for page in pages]


def _alto_lines(page: ElementTree.Element) -> Iterator[TextBox]:
    for line in _all(page, "TextLine"):
        words = [part.get("CONTENT", "") for part in line if _local(part) == "String"]
        hyphen = "".join(part.get("CONTENT", "") for part in line if _local(part) == "HYP")
        left, top, width, height = (
            round(float(line.get(name, 0))) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")
        )
        text = " ".join(" ".join(words).split())
        if text:
            yield TextBox(text + hyphen, (left, top, left + width, top + height))


def _all(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Descendants by local name: ALTO 2, 3 and 4 have a namespace each."""
    return (e for e in element.iter() if _local(e) == name)


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]
