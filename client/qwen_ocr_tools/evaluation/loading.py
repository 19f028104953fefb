"""Datasets as people have them on disk: which format a folder is in, and the simple ones."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from qwen_ocr.errors import ConfigurationError
from qwen_ocr.results import TextBox
from qwen_ocr_tools.evaluation.benchmarks import load_olmocr_bench, load_omnidocbench
from qwen_ocr_tools.evaluation.dataset import IMAGE_SUFFIXES, Dataset, Sample
from qwen_ocr_tools.evaluation.layouts import load_layouts

TEXTS = (".gt.txt", ".txt")
"""What stands in the place of the image's suffix; the first is that of Tesseract's training."""


def load_dataset(path: Path) -> Dataset:
    """The pages and truths in a folder or a file, in whichever known format it is.

    Rows and files that are broken become `Dataset.problems`. Raises `ConfigurationError` for what
    has no page in any known format.
    """
    if not path.exists():
        raise ConfigurationError(f"{path}: no such folder or file")
    for name, matches, load in _FORMATS:
        if files := matches(path):
            dataset = Dataset(path.resolve().name, name)
            load(dataset, files)
            if dataset.samples:
                return dataset
            problems = "\n".join(dataset.problems[:5])
            raise ConfigurationError(f"{path}: {name} without a page to read. {problems}")
    raise ConfigurationError(
        f"{path} is no dataset: give a folder with truth.jsonl, with page.png and page.txt side by "
        "side, with hOCR or ALTO files, or of OmniDocBench or olmOCR-bench"
    )


class _BoxRow(BaseModel):
    text: str = ""
    box: tuple[int, int, int, int]


class _Row(BaseModel):
    file: str = Field(min_length=1)
    text: str | None = None
    kind: str = "all"
    language: str | None = None
    boxes: list[_BoxRow] | None = None
    fields: dict[str, Any] | None = None


def _load_rows(dataset: Dataset, files: list[Path]) -> None:
    (path,) = files
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        place = f"{path.name} line {number}"
        if not line.strip():
            continue
        try:
            row = _Row.model_validate_json(line)
        except ValidationError as exc:
            dataset.reject(place, exc)
            continue
        if row.text is None and row.boxes is None and row.fields is None:
            dataset.problems.append(f"{place}: no truth: none of text, boxes and fields")
            continue
        boxes = None
        if row.boxes is not None:
            boxes = tuple(TextBox(box.text, box.box) for box in row.boxes)
        dataset.add(
            Sample(
                row.file,
                path.parent / row.file,
                text=row.text,
                kind=row.kind,
                language=row.language,
                boxes=boxes,
                fields=row.fields,
            ),
            place,
        )


def _load_pairs(dataset: Dataset, files: list[Path]) -> None:
    folder = files[0]
    for image in _images(folder):
        name = image.relative_to(folder).as_posix()
        truth = _text_of(image)
        if truth is None:
            dataset.problems.append(f"{name}: no {image.stem}.txt beside it")
            continue
        try:
            text = truth.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as exc:
            dataset.problems.append(f"{truth.relative_to(folder)}: {exc}")
            continue
        kind = image.parent.relative_to(folder).as_posix()
        dataset.add(Sample(name, image, text=text, kind="all" if kind == "." else kind), name)


def _images(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES)


def _text_of(image: Path) -> Path | None:
    return next((p for suffix in TEXTS if (p := image.with_suffix(suffix)).is_file()), None)


def _find_rows(path: Path) -> list[Path]:
    file = path / "truth.jsonl" if path.is_dir() else path
    return [file] if file.name == "truth.jsonl" and file.is_file() else []


def _find_omnidocbench(path: Path) -> list[Path]:
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    return [file for file in files if file.suffix == ".json" and _is_omnidocbench(file)][:1]


def _is_omnidocbench(file: Path) -> bool:
    with file.open("rb") as stream:
        return b"layout_dets" in stream.read(2**20)


def _find_olmocr_bench(path: Path) -> list[Path]:
    for folder in (path, path / "bench_data"):
        if (folder / "pdfs").is_dir() and (files := sorted(folder.glob("*.jsonl"))):
            return files
    return [path] if path.suffix == ".jsonl" and (path.parent / "pdfs").is_dir() else []


def _find_layouts(path: Path) -> list[Path]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in files if file.suffix.lower() in _LAYOUT_MARKS and _is_layout(file)]


_LAYOUT_MARKS = {".hocr": b"", ".html": b"ocr_page", ".xml": b"alto"}
"""What a file of each suffix has near its beginning, unlike any other page of HTML or XML."""


def _is_layout(file: Path) -> bool:
    with file.open("rb") as stream:
        return _LAYOUT_MARKS[file.suffix.lower()] in stream.read(2**16)


def _find_pairs(path: Path) -> list[Path]:
    has_pair = path.is_dir() and any(_text_of(image) for image in _images(path))
    return [path] if has_pair else []


_FORMATS: tuple[
    tuple[str, Callable[[Path], list[Path]], Callable[[Dataset, list[Path]], None]], ...
] = (
    ("truth.jsonl", _find_rows, _load_rows),
    ("OmniDocBench", _find_omnidocbench, load_omnidocbench),
    ("olmOCR-bench", _find_olmocr_bench, load_olmocr_bench),
    ("hOCR or ALTO", _find_layouts, load_layouts),
    ("images and texts", _find_pairs, _load_pairs),
)
