"""The public benchmarks of whole documents, in the layout that they are published in."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from qwen_ocr.results import TextBox
from qwen_ocr_tools.evaluation.checks import KNOWN_TYPES, Check, parse_check
from qwen_ocr_tools.evaluation.dataset import Dataset, Sample


class _Span(BaseModel):
    category_type: str
    poly: list[float] = Field(min_length=8, max_length=8)
    ignore: bool = False
    text: str | None = None


class _Block(BaseModel):
    category_type: str
    poly: list[float] = Field(min_length=8, max_length=8)
    ignore: bool = False
    order: float | None = None
    text: str | None = None
    latex: str | None = None
    html: str | None = None
    line_with_spans: list[_Span] = []

    def content(self) -> str:
        """As plain text: a table's cells in rows, a formula as LaTeX."""
        if self.text:
            return self.text
        if self.html:
            rows = re.sub(r"</t[dh]>", " ", re.sub(r"</tr>", "\n", self.html))
            return unescape(re.sub(r"<[^>]*>", "", rows))
        return self.latex or ""


class _PageInfo(BaseModel):
    image_path: str
    page_attribute: dict[str, Any] = {}


class _Page(BaseModel):
    layout_dets: list[_Block]
    page_info: _PageInfo


def load_omnidocbench(dataset: Dataset, files: list[Path]) -> None:
    """OmniDocBench: `OmniDocBench.json` beside `images/`.

    A page's text is that of its elements in their `order`, one per line. Elements without an order
    (headers, footers, page numbers, figures) and those to be ignored are not part of it, as in the
    benchmark's own end-to-end evaluation; that one also forgives where elements are split, which
    this does not. The kind of a page is its `data_source`.
    """
    (path,) = files
    try:
        rows = TypeAdapter(list[Any]).validate_json(path.read_bytes())
    except ValidationError as exc:
        dataset.reject(path.name, exc)
        return
    for number, row in enumerate(rows, 1):
        place = f"{path.name} page {number}"
        try:
            page = _Page.model_validate(row)
        except ValidationError as exc:
            dataset.reject(place, exc)
            continue
        dataset.add(_omnidocbench_sample(page, path.parent), place)


def _omnidocbench_sample(page: _Page, folder: Path) -> Sample:
    blocks = [b for b in page.layout_dets if b.order is not None and not b.ignore]
    blocks.sort(key=lambda block: block.order or 0)
    name = page.page_info.image_path
    images = (folder / "images" / name, folder / name)
    attributes = page.page_info.page_attribute
    spans = [s for b in blocks for s in b.line_with_spans if s.text and not s.ignore]
    return Sample(
        name,
        next((path for path in images if path.is_file()), images[0]),
        text="\n".join(filter(None, (block.content() for block in blocks))),
        kind=str(attributes.get("data_source", "all")),
        language=attributes.get("language"),
        boxes=tuple(TextBox(s.text or "", _bounds(s.poly)) for s in spans) or None,
    )


def _bounds(poly: list[float]) -> tuple[int, int, int, int]:
    across, down = poly[0::2], poly[1::2]
    return round(min(across)), round(min(down)), round(max(across)), round(max(down))


class _Test(BaseModel):
    pdf: str
    page: int = Field(ge=1)
    id: str
    type: str


def load_olmocr_bench(dataset: Dataset, files: list[Path]) -> None:
    """olmOCR-bench: `*.jsonl` with a test per line, beside `pdfs/`.

    Each page of a PDF that tests speak of is a sample; its kind is the file of its first test. A
    page without a test of the type `baseline` gets one, as in the benchmark. Tests of types that
    are not computed here are counted in `problems`.
    """
    tests: dict[tuple[str, int], list[Check]] = {}
    kinds: dict[tuple[str, int], str] = {}
    skipped: Counter[str] = Counter()
    for place, stem, line in _lines(files):
        try:
            row = json.loads(line)
            test = _Test.model_validate(row)
            page = (test.pdf, test.page)
            kinds.setdefault(page, stem)
            checks = tests.setdefault(page, [])
            if test.type in KNOWN_TYPES:
                checks.append(parse_check(row))
            else:
                skipped[test.type] += 1
        except ValidationError as exc:
            dataset.reject(place, exc)
        except ValueError as exc:
            dataset.problems.append(f"{place}: {exc}")
    for name, count in sorted(skipped.items()):
        dataset.problems.append(f"tests of the type {name!r} are not computed here: {count}")
    for page, checks in tests.items():
        if not any(check.type == "baseline" for check in checks):
            checks.append(parse_check({"type": "baseline"}))
        pdf, number = page
        path = files[0].parent / "pdfs" / pdf
        sample = Sample(
            f"{pdf}#{number}", path, page=number, kind=kinds[page], checks=tuple(checks)
        )
        dataset.add(sample, kinds[page])


def _lines(files: list[Path]) -> Iterator[tuple[str, str, bytes]]:
    for file in files:
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            if line.strip():
                yield f"{file.name} line {number}", file.stem, line
