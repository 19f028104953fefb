"""Settings as on a fresh machine."""

from pathlib import Path

import pytest

from qwen_ocr_serve.launch.precision import UNMEASURED
from qwen_ocr_serve.settings import server_settings


@pytest.fixture(autouse=True)
def clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env` in the working directory, and no settings from the test before."""
    monkeypatch.chdir(tmp_path)
    server_settings.cache_clear()


@pytest.fixture(autouse=True)
def no_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every processor is one that could not be measured, which takes no time."""
    for module in ("launch.installation", "cli.checks"):
        monkeypatch.setattr(f"qwen_ocr_serve.{module}.choice", lambda cores: UNMEASURED)
