"""README.md and docs/: snippets for larger models than the bundled one run against scripted
answers; links, commands and variables exist.

All other snippets run against the real server, in `tests/server/test_docs.py`.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from tests.snippets import INTEGRATIONS_FILES, THEIRS, command

from qwen_ocr.settings import ClientSettings
from qwen_ocr_serve.cli.app import app
from qwen_ocr_serve.settings import ServeSettings

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHERS = [ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY")]
_FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LARGER = re.compile(
    r"^<!-- needs a larger model -->\n```(python|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE
)
SNIPPETS = [
    (page, language, code)
    for page in PAGES
    for language, code in _LARGER.findall(page.read_text("utf-8"))
]
ANSWERS = {
    "client.extract(": json.dumps(
        {"items": [{"name": "Espresso", "price": 26.44}], "total": 60.36}
    ),
    "client.locate(": json.dumps(
        [{"bbox_2d": [31, 210, 330, 260], "text_content": "Espresso 26.44"}]
    ),
    "--task markdown": "# Espresso",
    "instructor.from_openai(": json.dumps({"items": ["Espresso"]}),
}
"""What the server answers, by what the snippet says."""
CHECKED = {"caddy", "console", "js", "json", "nginx", "python", "sh", "yaml"}
"""Languages of blocks: a block without one, or in another, would be in no test."""


@pytest.mark.parametrize("words", ANSWERS)
def test_snippet(server: Any, answered: Any, words: str) -> None:
    ((page, language, code),) = [snippet for snippet in SNIPPETS if words in snippet[2]]
    server.answer(answered(ANSWERS[words]))
    code = code.replace("http://localhost:8000", server.url)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with command(page, language, code) as arguments:
        done = subprocess.run(
            arguments,
            cwd=ROOT,
            env={**os.environ, "PATH": path, "QWEN_OCR_BASE_URL": server.url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "Espresso" in done.stdout


def test_no_snippet_is_left_out() -> None:
    assert len(SNIPPETS) == len(ANSWERS)
    for page in PAGES:
        assert {language for language, _ in blocks(page)} <= CHECKED, page


def blocks(page: Path, *languages: str) -> Iterator[tuple[str, str]]:
    """The blocks of a page, and their languages; all if none is named."""
    for language, code in _FENCED.findall(page.read_text("utf-8")):
        if not languages or language in languages:
            yield language, code


def anchors(page: Path) -> set[str]:
    """What links can lead to on a page: its headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *OTHERS, ROOT / "serve/deploy/README.md"], ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    text = _FENCED.sub("", page.read_text("utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_readme() -> None:
    readme = PAGES[0].read_text("utf-8")
    for page in PAGES[1:]:
        assert f"(docs/{page.name})" in readme


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_have_these_options(page: Path) -> None:
    group: Any = typer.main.get_command(app)
    for _, code in blocks(page, "console"):
        for line in re.findall(r"^\$ (.*)$", code, re.MULTILINE):
            words = shlex.split(line, comments=True)
            while words and re.match(r"\w+=", words[0]):
                del words[0]
            if words and Path(words[0]).name == "qwen-ocr":
                _, name, *arguments = words
                # Parses, and raises what is wrong with them; does not run the command.
                group.commands[name].make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_exist(page: Path) -> None:
    fields = [*ClientSettings.model_fields, *ServeSettings.model_fields]
    known = {f"QWEN_OCR_{name.upper()}" for name in fields}
    assert set(re.findall(r"\bQWEN_OCR_[A-Z_]+\b", page.read_text("utf-8"))) <= known


def test_the_versions_that_were_tested_are_those_on_the_page() -> None:
    lines = (INTEGRATIONS_FILES / "requirements.txt").read_text("utf-8").splitlines()
    pins = dict(re.split(r"(?:\[\w+\])?==", line) for line in lines if not line.startswith("#"))
    pins |= json.loads((INTEGRATIONS_FILES / "package.json").read_text("utf-8"))["dependencies"]
    rows = re.findall(r"^\| \[.*`([\w-]+)` (\d[\d.]*\d)", THEIRS.read_text("utf-8"), re.MULTILINE)
    named = dict(rows)
    # What brings the client of the row with it, and is in the development environment.
    assert named.pop("mcp") == version("mcp")
    assert named.items() <= pins.items()
    assert len(named) == 8


def test_data_is_well_formed() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    for page in PAGES:
        for language, code in blocks(page, "json", "yaml"):
            data = json.loads(code) if language == "json" else yaml.safe_load(code)
            # What is no part of the Compose file, such as an overlay of the manifests, has none.
            assert data.get("services", {}).keys() <= services.keys(), page
