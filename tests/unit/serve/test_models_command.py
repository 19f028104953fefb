"""`qwen-ocr models` lists what is published, and says what was seen."""

from typer.testing import CliRunner

from qwen_ocr_serve.cli.app import app
from qwen_ocr_serve.models.checkpoints import CHECKPOINTS


def listed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["models", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_all() -> None:
    text = listed()
    for row in CHECKPOINTS:
        (line,) = (line for line in text.splitlines() if line.startswith(f"{row.model} "))
        assert row.profile in line
        assert row.licence in line
        assert row.score is None or f"{row.score:.1f}" in line
    assert "Profiles for --profile: chandra-2, " in text


def test_some() -> None:
    lines = [line for line in listed("CHANDRA").splitlines() if "chandra-ocr" in line]
    assert len(lines) == 1
    assert "9.1 GB" in lines[0]
    assert lines[0].rstrip().endswith("started")
    assert "Qwen/" not in listed("chandra")
