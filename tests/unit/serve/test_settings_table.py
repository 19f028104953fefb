"""The README's table of settings is the settings."""

from pathlib import Path

from qwen_ocr_serve.cli.settings_table import settings_table

README = Path(__file__).parents[3] / "docs/settings.md"


def test_the_readme_has_the_table_of_the_settings() -> None:
    assert settings_table() in README.read_text("utf-8"), (
        "put the output of `python -m qwen_ocr_serve.cli.settings_table` into the README"
    )
