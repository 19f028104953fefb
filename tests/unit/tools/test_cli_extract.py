"""`qwen-ocr extract`: JSON that is valid by the schema, or an error that says what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from typer.testing import CliRunner

from qwen_ocr_tools.cli import app

SAMPLE = Path(__file__).parents[2] / "samples" / "receipt.pdf"
Run = Callable[..., Any]
SCHEMA = {
    "type": "object",
    "properties": {
        "shop": {"type": "string", "description": "its name"},
        "total": {"$ref": "#/$defs/money"},
    },
    "required": ["shop", "total"],
    "additionalProperties": False,
    "$defs": {"money": {"type": "number", "minimum": 0}},
}
MODULE = """
from pydantic import BaseModel, field_validator

class Receipt(BaseModel):
    shop: str
    total: float

    @field_validator("total")
    @classmethod
    def positive(cls, value):
        if value < 0:
            raise ValueError("a total below zero")
        return value

other = 7
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, with an image, a schema and a module."""
    monkeypatch.chdir(tmp_path)
    Path("scan.png").write_bytes(png)
    Path("receipt.json").write_text(json.dumps(SCHEMA))
    Path("receipt_model.py").write_text(MODULE)


@pytest.fixture
def run(server: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("QWEN_OCR_BASE_URL", server.url)
    monkeypatch.setenv("QWEN_OCR_MAX_RETRIES", "0")
    return lambda *args, **kwargs: CliRunner().invoke(app, ["extract", *map(str, args)], **kwargs)


@pytest.mark.parametrize("schema", ["receipt.json", "receipt_model:Receipt"])
def test_json_on_stdout(run: Run, server: Any, answered: Any, schema: str) -> None:
    server.answer(answered('{"shop": "Café", "total": 12.5}'))
    result = run("scan.png", "--schema", schema)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"shop": "Café", "total": 12.5}
    assert "Café" in result.stdout
    sent = server.chats[0]["response_format"]["json_schema"]["schema"]
    assert set(sent["properties"]) == {"shop", "total"}
    if schema == "receipt.json":
        assert sent == SCHEMA
        assert "its name" in server.chats[0]["messages"][0]["content"][1]["text"]


@pytest.mark.parametrize(
    ("schema", "answer", "problem"),
    [
        ("receipt.json", '{"shop": "Café", "total": -1}', "$.total: -1 is less than the minimum"),
        ("receipt.json", '{"shop": "Café"}', "'total' is a required property"),
        ("receipt.json", "The shop is a café.", "Invalid JSON"),
        ("receipt_model:Receipt", '{"shop": "Café", "total": -1}', "a total below zero"),
    ],
)
def test_answers_that_are_not_valid(
    run: Run, server: Any, answered: Any, schema: str, answer: str, problem: str
) -> None:
    server.answer(answered(answer))
    result = run("scan.png", "--schema", schema)
    assert (result.exit_code, result.stdout) == (1, "")
    assert problem in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ("none.json", "none.json: No such file"),
        ("scan.png", "not JSON"),
        ("receipt_model.py", "not JSON"),
        ("list.json", "a JSON Schema is an object"),
        ("wrong.json", "not a JSON Schema"),
        ("receipt_model:Missing", "cannot import receipt_model:Missing"),
        ("no_module:Receipt", "cannot import no_module:Receipt"),
        ("receipt_model:other", "not a pydantic model"),
    ],
)
def test_schemas_that_make_no_sense(run: Run, server: Any, schema: str, problem: str) -> None:
    Path("list.json").write_text("[]")
    Path("wrong.json").write_text('{"type": "money"}')
    result = run("scan.png", "--schema", schema)
    assert (result.exit_code, result.stdout) == (2, "")
    assert problem in result.stderr
    assert server.requests == []


def test_pages(run: Run, server: Any, answered: Any) -> None:
    pdf = pypdfium2.PdfDocument.new()
    for _ in range(2):
        pdf.import_pages(pypdfium2.PdfDocument(SAMPLE))
    pdf.save("two.pdf")
    server.answer(answered('{"shop": "Café", "total": 1}'))
    schema = ["--schema", "receipt.json"]
    assert run(SAMPLE, *schema).exit_code == 0
    assert run("two.pdf", *schema, "--page", 2).exit_code == 0
    assert run("-", *schema, input=Path("scan.png").read_bytes()).exit_code == 0
    for more, problem in ([], "has 2 pages"), (["--page", 3], "there is no page 3"):
        result = run("two.pdf", *schema, *more)
        assert result.exit_code == 2
        assert problem in result.stderr


def test_bad_image(run: Run) -> None:
    result = run("receipt.json", "--schema", "receipt.json")
    assert result.exit_code == 1
    assert "not an image" in result.stderr
