"""Words and lines in scripts with spaces and without."""

import pytest

from qwen_ocr.blocks import Block, to_markdown
from qwen_ocr.documents import Block as ReadBlock
from qwen_ocr.documents import Line, Page
from qwen_ocr.spacing import Box, join_lines, join_row, set_width, words


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], ""),
        (["a", "b"], "a b"),
        (["委员会推迟了", "表决。"], "委员会推迟了表决。"),
        (["総合的な品質を読み取り", "ます。"], "総合的な品質を読み取ります。"),
        (["ｶﾀｶﾅ", "ｶﾅ"], "ｶﾀｶﾅｶﾅ"),
        (["𠮷", "野家"], "𠮷野家"),
        (["他说，", "“好”", "之后离开"], "他说，“好”之后离开"),
        (["总计 128", "元"], "总计 128 元"),
        (["单张 GPU 需要 24", "GiB 显存"], "单张 GPU 需要 24 GiB 显存"),
        (["委员会", "and more"], "委员会 and more"),
        (["模型，", "vLLM"], "模型，vLLM"),
        (["document", "（见第 3 页）"], "document（见第 3 页）"),
        (["he said “no”", "and left"], "he said “no” and left"),
        (["띄어쓰기를", "유지한다"], "띄어쓰기를 유지한다"),
    ],
)
def test_lines_of_running_text_are_joined(rows: list[str], text: str) -> None:
    assert join_lines(rows) == text


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (["The exam-", "ple ends"], "The example ends"),
        (["произ-", "водство"], "производство"),
        (["Baden-", "Baden"], "Baden- Baden"),
        (["pages 3-", "4"], "pages 3- 4"),
        (["高-", "performance"], "高- performance"),
        (["型号 A-", "中"], "型号 A- 中"),
    ],
)
def test_only_scripts_with_small_letters_are_hyphenated(rows: list[str], text: str) -> None:
    assert join_lines(rows) == text


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([("委员会", (0, 0, 60, 20)), ("推迟", (62, 0, 100, 20))], "委员会推迟"),
        ([("姓名", (0, 0, 40, 20)), ("张三", (120, 0, 160, 20))], "姓名 张三"),
        ([("Total", (0, 0, 40, 20)), ("12", (42, 0, 60, 20))], "Total 12"),
        ([("", (0, 0, 40, 20)), ("12", (42, 0, 60, 20)), ("", (70, 0, 80, 20))], "12"),
    ],
)
def test_parts_of_a_line_are_joined_by_script_and_gap(
    parts: list[tuple[str, Box]], text: str
) -> None:
    assert join_row(parts) == text
    lines = tuple(Line(part, box) for part, box in parts)
    assert Page(1, blocks=(ReadBlock("text", text, (0, 0, 160, 20), lines),)).text.split() == (
        text.split()
    )


def test_a_paragraph_goes_on_in_the_next_column() -> None:
    blocks = [Block("text", "委员会推迟了"), Block("text", "表决。", continues=True)]
    assert to_markdown(blocks) == "委员会推迟了表决。"
    blocks = [Block("text", "It was post-"), Block("text", "poned.", continues=True)]
    assert to_markdown(blocks) == "It was postponed."


def test_words_of_mixed_text() -> None:
    assert words("使用 vLLM 部署（Qwen3-VL），显存 24 GiB。") == [
        *("使", "用", "vLLM", "部", "署", "（Qwen3-VL），", "显", "存", "24", "GiB。")
    ]


def test_width() -> None:
    assert set_width("部署 vLLM，") == 2 * 3 + 5
