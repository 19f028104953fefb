"""Every snippet of the README runs, from the repository's root, against the real server.

Those marked as in need of a larger model than the bundled one run against a fake, in the client's
unit tests.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SNIPPETS = re.findall(
    r"(?<!<!-- needs a larger model -->\n)^```(python|sh)\n(.*?)^```",
    README,
    re.DOTALL | re.MULTILINE,
)
ADDRESS = "http://localhost:8000"


@pytest.mark.parametrize(("language", "code"), SNIPPETS)
def test_snippet(base_url: str, language: str, code: str) -> None:
    if "curl" in code and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    code = code.replace(ADDRESS, base_url)
    command = [sys.executable, "-c", code] if language == "python" else ["sh", "-ec", code]
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    environment = {"PATH": path, "QWEN_OCR_BASE_URL": base_url, "HOME": "/tmp"}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "Espresso" in result.stdout
