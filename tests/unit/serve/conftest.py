"""Settings as on a fresh machine."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `QWEN_OCR_*` variables, and no `.env` in the working directory."""
    for name in os.environ:
        if name.startswith("QWEN_OCR_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
