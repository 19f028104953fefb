"""Blocks as Markdown and HTML."""

import pytest

from qwen_ocr_serve.documents.markdown import heading, paragraph, table


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (["a", "b"], "a b"),
        (["The exam-", "ple ends"], "The example ends"),
        (["Baden-", "Baden"], "Baden- Baden"),
        (["pages 3-", "4"], "pages 3- 4"),
        (["委员会推迟了", "表决。"], "委员会推迟了表决。"),
        (["总计 128", "元"], "总计 128 元"),
        (["委员会", "and more"], "委员会 and more"),
        ([], ""),
    ],
)
def test_lines_of_running_text_are_joined(rows: list[str], text: str) -> None:
    assert join_lines(rows) == text


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


def test_headings() -> None:
    assert heading("How it\nwas saved", 2) == "## How it was saved"


def test_tables() -> None:
    cells = [["Item", "Price"], ["Nuts | bolts", "<1"]]
    assert table(cells, "markdown") == "| Item | Price |\n| --- | --- |\n| Nuts \\| bolts | <1 |"
    assert table(cells, "html") == (
        "<table>\n<tr><th>Item</th><th>Price</th></tr>\n"
        "<tr><td>Nuts | bolts</td><td>&lt;1</td></tr>\n</table>"
    )
