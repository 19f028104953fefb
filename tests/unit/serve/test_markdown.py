"""Blocks as Markdown and HTML."""

import pytest

from qwen_ocr_serve.documents.markdown import heading, paragraph, table


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (["- one", "- two"], "- one\n- two"),
        (["• one", "goes on", "• two"], "- one goes on\n- two"),
        (["1. one", "2) two", "10. ten"], "1. one\n2) two\n10. ten"),
        (["-5 degrees", "-6 degrees"], "-5 degrees  \n-6 degrees"),
        (["3.50", "4.00"], "3.50  \n4.00"),
        (["# 12", "> 5"], "\\# 12  \n\\> 5"),
        (["Tasks", "for May", "• one", "• two"], "Tasks  \nfor May\n\n- one\n- two"),
        (["Rose Street", "12. May"], "Rose Street  \n12. May"),
        (["---"], "\\---"),
    ],
)
def test_lists_are_lists_and_nothing_else_is(rows: list[str], text: str) -> None:
    assert paragraph(rows, prose=False) == text


def test_running_text_that_begins_like_a_heading() -> None:
    assert paragraph(["# of pages", "read"], prose=True) == "\\# of pages read"


def test_running_text_of_chinese_has_no_spaces() -> None:
    rows = ["本服务基于 vLLM 部署，单张 GPU 需要 24", "GiB 显存；上下文长度可", "调。"]
    whole = "本服务基于 vLLM 部署，单张 GPU 需要 24 GiB 显存；上下文长度可调。"
    assert paragraph(rows, prose=True) == whole


def test_headings() -> None:
    assert heading("How it\nwas saved", 2) == "## How it was saved"
    assert heading("关于加强数据安全\n管理的通知", 1) == "# 关于加强数据安全管理的通知"


def test_tables() -> None:
    cells = [["Item", "Price"], ["Nuts | bolts", "<1"]]
    assert table(cells, "markdown") == "| Item | Price |\n| --- | --- |\n| Nuts \\| bolts | <1 |"
    assert table(cells, "html") == (
        "<table>\n<tr><th>Item</th><th>Price</th></tr>\n"
        "<tr><td>Nuts | bolts</td><td>&lt;1</td></tr>\n</table>"
    )
