"""Settings as on a fresh machine."""

import os
from pathlib import Path

import pytest

from qwen_ocr_serve.precision import UNMEASURED


@pytest.fixture(autouse=True)
def clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `QWEN_OCR_*` variables, and no `.env` in the working directory."""
    for name in os.environ:
        if name.startswith("QWEN_OCR_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def no_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every processor is one that could not be measured, which takes no time."""
    for module in ("installation", "doctor"):
        monkeypatch.setattr(f"qwen_ocr_serve.{module}.choice", lambda cores: UNMEASURED)
