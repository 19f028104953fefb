"""The other engines, on a real page each."""

import shutil
from pathlib import Path

import pytest

from qwen_ocr.errors import ConfigurationError, ImageError, OCRError
from qwen_ocr_tools.evaluation.baselines import baseline, in_reading_order
from qwen_ocr_tools.evaluation.dataset import Sample
from qwen_ocr_tools.evaluation.text import fold

SAMPLES = Path(__file__).parents[3] / "samples"
PARAGRAPH = Sample("paragraph", SAMPLES / "paragraph.png")


def available(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


@available("tesseract")
def test_tesseract() -> None:
    engine = baseline("tesseract")
    reading = engine.read(PARAGRAPH, "text")
    assert len(fold(reading.text)) > 50
    assert reading.latency > 0
    assert engine.settings["psm"] == "6"
    assert str(engine.settings["version"])[0].isdigit()


@available("tesseract")
def test_tesseract_fails_with_its_own_words() -> None:
    with pytest.raises(OCRError, match="between 0-13"):
        baseline("tesseract:psm=99").read(PARAGRAPH, "text")


@available("tesseract")
def test_a_language_that_tesseract_does_not_know() -> None:
    with pytest.raises(ConfigurationError, match="install tesseract-ocr-tlh-latn tesseract-ocr-xx"):
        baseline("tesseract:languages=eng+xx+tlh_latn")


@available("tesseract")
def test_a_picture_that_is_missing() -> None:
    with pytest.raises(ImageError, match="No such file"):
        baseline("tesseract").read(Sample("gone", SAMPLES / "gone.png"), "text")


def test_rapidocr(tmp_path: Path) -> None:
    engine = baseline("rapidocr")
    reading = engine.read(PARAGRAPH, "text")
    assert len(fold(reading.text)) > 50
    assert reading.boxes is not None
    assert len(reading.boxes) >= reading.text.count("\n") + 1
    from PIL import Image

    Image.new("RGB", (200, 60), "white").save(tmp_path / "blank.png")
    blank = engine.read(Sample("blank", tmp_path / "blank.png"), "text")
    assert (blank.text, blank.boxes) == ("", ())


def test_reading_order() -> None:
    boxes = [(200, 12, 240, 30), (10, 40, 90, 60), (10, 10, 90, 30), (200, 42, 240, 58)]
    texts = ["2.50", "Milk", "Tea", "1.20"]
    assert in_reading_order(boxes, texts) == "Tea 2.50\nMilk 1.20"
    assert in_reading_order([], []) == ""
