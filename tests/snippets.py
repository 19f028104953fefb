"""How a code block of README.md and docs/ is run, whatever it is written in."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INTEGRATIONS = ROOT / ".venv-integrations"
"""Packages of other projects, which `make integrations` installs."""
INTEGRATIONS_FILES = ROOT / "tests" / "integrations"
"""Their names and versions."""
THEIRS = ROOT / "docs" / "integrations.md"
"""The page whose Python is about them."""


def integrations_python() -> str:
    """The Python that has the packages of other projects."""
    python = INTEGRATIONS / "bin" / "python"
    if not (INTEGRATIONS / ".installed").exists():
        pytest.skip("the packages are not installed: make integrations")
    return str(python)


def node_modules() -> Path:
    """Where the packages for Node are."""
    folder = INTEGRATIONS / "node_modules"
    if shutil.which("node") is None or not (folder / "openai").exists():
        pytest.skip(
            "Node or its packages are not installed: apt-get install npm; make integrations"
        )
    return folder


@contextmanager
def command(page: Path, language: str, code: str) -> Iterator[list[str]]:
    """What runs a block of a page, for as long as the block lasts."""
    if language == "sh":
        yield ["sh", "-ec", code]
    elif language == "python":
        yield [integrations_python() if page == THEIRS else sys.executable, "-c", code]
    else:
        # Node looks for packages beside the script.
        with tempfile.NamedTemporaryFile("w", suffix=".mjs", dir=node_modules().parent) as script:
            script.write(code)
            script.flush()
            yield ["node", script.name]
