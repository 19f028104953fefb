"""Datasets to read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

Rows = Callable[..., Path]


@pytest.fixture
def picture() -> Callable[[Path, str], Path]:
    """Draws a small page with a text: `picture(path, text)`."""

    def draw(path: Path, text: str = "page") -> Path:
        image = Image.new("RGB", (120, 40), "white")
        ImageDraw.Draw(image).text((8, 8), text, fill="black")
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        return path

    return draw


@pytest.fixture
def dataset(tmp_path: Path, picture: Callable[[Path, str], Path]) -> Rows:
    """Writes a folder with `truth.jsonl` and its pictures: `dataset({"file": "a.png", …}, …)`."""

    def write(*rows: Any) -> Path:
        folder = tmp_path / "pages"
        folder.mkdir(exist_ok=True)
        lines = []
        for row in rows:
            if isinstance(row, dict) and "file" in row:
                picture(folder / row["file"], row["file"])
            lines.append(row if isinstance(row, str) else json.dumps(row))
        (folder / "truth.jsonl").write_text("\n".join(lines) + "\n")
        return folder

    return write


@pytest.fixture
def confident() -> Callable[..., bytes]:
    """A chat completion with log-probabilities: `confident("TOTAL", -0.1)`."""

    def body(
        text: str = "TOTAL 12.50", logprob: float = -0.1, finish_reason: str = "stop"
    ) -> bytes:
        token = {"token": text, "logprob": logprob, "bytes": list(text.encode())}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": finish_reason,
            "logprobs": {"content": [token]},
        }
        usage = {"prompt_tokens": 70, "completion_tokens": 5}
        return json.dumps({"id": "1", "model": "m", "choices": [choice], "usage": usage}).encode()

    return body
