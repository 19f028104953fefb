"""The Chinese README and pages have the same parts as the English ones, and links between them."""

import re
import tokenize
from io import StringIO
from pathlib import Path

import pytest

from qwen_ocr import WARNINGS

ROOT = Path(__file__).parents[2]
CHINESE = ROOT / "docs" / "zh-CN"
PAGES = {
    ROOT / "README.md": ROOT / "README.zh-CN.md",
    **{ROOT / "docs" / page.name: page for page in sorted(CHINESE.glob("*.md"))},
}
"""Each English page with the Chinese one."""
NEWCOMERS = {"client", "command-line", "http-api", "deployment", "models", "limits"}
_FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`[^`]+`")
_HAN = re.compile("[\u4e00-\u9fff]")
_LINK = re.compile(r"\]\(([^)\s]+)\)")

pages = pytest.mark.parametrize(
    ("english", "chinese"), PAGES.items(), ids=[page.stem for page in PAGES]
)


def text(page: Path) -> str:
    """A page less its code blocks."""
    return _FENCED.sub("", page.read_text("utf-8"))


def blocks(page: Path) -> list[tuple[str, str]]:
    """The language and the code of each block, less comments, which may be translated."""
    found = _FENCED.findall(page.read_text("utf-8"))
    return [(language, _without_comments(language, code)) for language, code in found]


def _without_comments(language: str, code: str) -> str:
    if language == "python":
        tokens = tokenize.generate_tokens(StringIO(code).readline)
        kept = [token.string for token in tokens if token.type != tokenize.COMMENT]
        return " ".join(kept)
    if language in {"sh", "console", "yaml", "nginx", "caddy"}:
        return re.sub(r"(^|\s+)# .*$", "", code, flags=re.MULTILINE)
    return code


def tables(page: Path) -> list[list[str]]:
    """The first cells of each table, from its head to its last row."""
    found: list[list[str]] = []
    inside = False
    for line in text(page).splitlines():
        row = line.startswith("|")
        if row and not inside:
            found.append([])
        if row:
            found[-1].append(re.split(r"(?<!\\)\|", line)[1].strip())
        inside = row
    return found


def anchors(page: Path) -> set[str]:
    """What links can lead to on a page: its headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_newcomers_have_their_pages() -> None:
    assert {page.stem for page in CHINESE.glob("*.md")} >= NEWCOMERS


@pages
def test_headings(english: Path, chinese: Path) -> None:
    levels = [re.findall(r"^(#+) ", text(page), re.MULTILINE) for page in (english, chinese)]
    assert levels[0] == levels[1]


@pages
def test_code_blocks(english: Path, chinese: Path) -> None:
    assert blocks(english) == blocks(chinese)


@pages
def test_tables(english: Path, chinese: Path) -> None:
    ours, theirs = tables(english), tables(chinese)
    assert [len(table) for table in ours] == [len(table) for table in theirs]
    for table, other in zip(ours, theirs, strict=True):
        for cell, translated in zip(table, other, strict=True):
            assert sorted(_CODE.findall(cell)) == sorted(_CODE.findall(translated)), cell
            is_code = not re.search(r"\w", _CODE.sub("", cell))
            assert not is_code or not _HAN.search(translated), translated


@pages
def test_error_codes_and_warnings(english: Path, chinese: Path) -> None:
    """Whatever has the form of a code is on both pages."""
    codes = [set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text(page))) for page in (english, chinese)]
    assert codes[0] == codes[1]


@pytest.mark.parametrize("name", ["client", "http-api"])
def test_every_warning_is_in_both_languages(name: str) -> None:
    for folder in (ROOT / "docs", CHINESE):
        page = text(folder / f"{name}.md")
        assert [code for code in WARNINGS if f"`{code}`" not in page] == [], folder


@pages
def test_links(english: Path, chinese: Path) -> None:
    for page, other in ((english, chinese), (chinese, english)):
        links = _LINK.findall(text(page))
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links}
        assert other in targets, f"{page} has no link to the other language"
    for link in _LINK.findall(text(chinese)):
        if not link.startswith(("http://", "https://")):
            path, _, anchor = link.partition("#")
            target = (chinese.parent / path).resolve() if path else chinese
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link
            translated = PAGES.get(target)
            assert translated is None or target == english, f"{link} is there in Chinese, too"


@pages
def test_as_many_links(english: Path, chinese: Path) -> None:
    counts = [len(_LINK.findall(text(page))) for page in (english, chinese)]
    assert counts[0] <= counts[1], "a link of the English page is missing"


@pages
def test_chinese_and_latin_letters_have_a_space_between_them(english: Path, chinese: Path) -> None:
    del english
    prose = _CODE.sub("`", re.sub(r"\]\([^)]*\)", "]", text(chinese)))
    assert not re.findall(r"[\u4e00-\u9fff][A-Za-z0-9`]|[A-Za-z0-9%`][\u4e00-\u9fff]", prose)


@pages
def test_lines_do_not_end_within_a_chinese_sentence(english: Path, chinese: Path) -> None:
    """Browsers show the end of a line as a space."""
    del english
    broken = re.findall(r"[\u4e00-\u9fff，]\n[\u4e00-\u9fff，。]", text(chinese))
    assert not broken
