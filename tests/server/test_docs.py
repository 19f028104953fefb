"""Every snippet of README.md and docs/ runs, from the repository's root, against the real server.

Those marked as in need of a larger model than the bundled one run against a fake, in the client's
unit tests.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.snippets import command

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_SNIPPET = re.compile(
    r"(?<!<!-- needs a larger model -->\n)^```(js|python|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE
)
SNIPPETS = [
    pytest.param(page, language, code, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, (language, code) in enumerate(_SNIPPET.findall(page.read_text("utf-8")), 1)
]
ADDRESS = "http://localhost:8000"


@pytest.mark.parametrize(("page", "language", "code"), SNIPPETS)
def test_snippet(base_url: str, page: Path, language: str, code: str) -> None:
    if "curl" in code and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    code = code.replace(ADDRESS, base_url)
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    environment = {"PATH": path, "QWEN_OCR_BASE_URL": base_url, "HOME": "/tmp"}
    with command(page, language, code) as arguments:
        result = subprocess.run(
            arguments,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert result.returncode == 0, result.stderr
    assert "Espresso" in result.stdout
