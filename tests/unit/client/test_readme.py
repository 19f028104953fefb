"""The README's snippets for larger models than the bundled one, against scripted answers."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text("utf-8")
SNIPPETS = re.findall(
    r"^<!-- needs a larger model -->\n```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE
)
ANSWERS = {
    "extract": {"items": [{"name": "Espresso", "price": 26.44}], "total": 60.36},
    "locate": [{"bbox_2d": [31, 210, 330, 260], "text_content": "Espresso 26.44"}],
}


@pytest.mark.parametrize("method", ANSWERS)
def test_snippet(server: Any, answered: Any, method: str) -> None:
    (code,) = [snippet for snippet in SNIPPETS if f"client.{method}(" in snippet]
    server.answer(answered(json.dumps(ANSWERS[method])))
    done = subprocess.run(
        [sys.executable, "-c", code.replace("http://localhost:8000", server.url)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Espresso" in done.stdout


def test_no_snippet_is_left_out() -> None:
    assert len(SNIPPETS) == len(ANSWERS)
