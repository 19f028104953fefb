"""What each model writes becomes Markdown and blocks: published answers, and broken ones."""

import pytest

from qwen_ocr.blocks import Block, kind_of, to_markdown
from qwen_ocr.html_blocks import read_html
from qwen_ocr.latex_tables import tables_to_html
from qwen_ocr.markup import OUTPUTS, read_markup, without_thought

# lightonai/LightOnOCR, README.md, "Grounding output".
LIGHTON_3 = """![image](309,90,691,516) Model architecture diagram showing NaViT, Projection, ...
![caption](400,555,591,566) Figure 1: Model architecture.
![title](113,608,263,623) ## 2.2 LightOnOCR-1
![text](112,640,882,698) The first version of LightOnOCR [13], established the core architecture ...
![page_number](491,935,505,950) 3
"""

# allenai/olmocr, tests/sample_dataset/synth_table/untable.md, shortened.
OLMOCR = """---
primary_language: en
is_rotation_valid: True
rotation_correction: 0
is_table: True
is_diagram: False
---
Annex I: Annual mid-year population, United Nations estimates: 2003 - 2012

<table>
<thead>
<tr>
<th rowspan="2">Continent and country or area<br/>Continent et pays ou zone</th>
</tr>
</thead>
</table>
"""

# infly-ai/INF-MLLM, Infinity-Parser2/tests/test_utils.py.
INFINITY = '```json\n[{"bbox": [0, 0, 500, 500], "category": "text", "text": "Test"}]\n```'
INFINITY_CUT = (
    '[{"bbox": [0,0,100,100], "text": "hello"}, {"bbox": [0,0,200,200], "text": "incomplete'
)

# ld-lab-pulsia/vlmparse, tests/test_all_converters_mocked.py, for dots.ocr.
DOTS = '[{"bbox": [10, 10, 100, 50], "category": "Text", "text": "Test content"}]'

# In the form of datalab-to/chandra, chandra/prompts.py and chandra/output.py (`parse_layout`).
CHANDRA = """<div data-bbox="85 47 158 61" data-label="Page-Header"><p>Fossils 86</p></div>
<div data-bbox="462 61 608 77" data-label="Section-Header"><h2>1. Terminology &amp; scope</h2></div>
<div data-bbox="85 481 479 629" data-label="Text"><p>The <b>generic</b> name <i>meg&#225;lo</i>,
as <math>x^2</math>.<br>Next line</p></div>
<div data-bbox="85 640 479 700" data-label="List-Group"><ul><li>one</li><li><p>two</p>
<ol><li>inner</li></ol></li></ul></div>
<div data-bbox="85 710 479 760" data-label="Equation-Block">
<math display="block">E = mc^2</math></div>
<div data-bbox="60 620 940 900" data-label="Table"><table border="1"><tr><th colspan="2">A</th></tr>
<tr><td>1</td><td>2</td></tr></table></div>
<div data-bbox="60 905 940 920" data-label="Form"><p><input type="checkbox" checked> yes
<input type="checkbox"> no</p></div>
<div data-bbox="240 89 760 293" data-label="Figure"><img alt="Map of the Pacific."/></div>
<div data-bbox="0 0 1000 1000" data-label="Blank-Page"></div>"""

# The tags that the prompt of Nanonets-OCR2 asks for: allenai/olmocr,
# olmocr/bench/runners/run_nanonetsocr_2.py.
NANONETS = """# Statement

<img>Logo of the bank</img>

<table><tr><td>☑ paid <img>stamp</img></td></tr></table>
<watermark>OFFICIAL COPY</watermark>
<page_number>9/22</page_number>"""

# In the form of Qwen's cookbook document_parsing: LaTeX tables, comments with coordinates.
QWEN3_VL = r"""```markdown
## 4.2 Results

<!-- Image (115, 270, 475, 495) -->

As the table shows:

<!-- Table (60, 500, 940, 900) -->
\begin{table}[h]
\centering
\begin{tabular}{|l|c|c|}
\hline
\multirow{2}{*}{Model} & \multicolumn{2}{c|}{Score} \\
\cline{2-3}
 & 2024 & 2025 \\
\hline
\textbf{A \& B} & 50\% & $x_1$ \\
\hline
\end{tabular}
\end{table}

Source: own work
```"""


def test_lighton_3() -> None:
    parsed = read_markup(LIGHTON_3, "markers")
    assert [block.kind for block in parsed.blocks] == [
        *("image", "caption", "title", "text", "footer")
    ]
    assert parsed.blocks[2] == Block("title", "## 2.2 LightOnOCR-1", (113, 608, 263, 623))
    assert parsed.markdown.splitlines()[0].startswith("![Model architecture diagram showing")
    assert "\n\n## 2.2 LightOnOCR-1\n\nThe first version of LightOnOCR [13]," in parsed.markdown


def test_lighton_blocks_that_go_on() -> None:
    text = (
        "![text](1,2,3,4)\nfirst half\n\n![text+](5,6,7,8) second half\n"
        "![chart](1,2,3,4) <table></table>"
    )
    parsed = read_markup(text, "markers")
    assert parsed.markdown == "first half second half\n\n<table></table>"
    assert parsed.blocks[1].continues


def test_lighton_2_with_pictures() -> None:
    text = "# Title\n\n![image](image_1.png)112,220,880,640\n\nText [1](a)."
    parsed = read_markup(text, "markers")
    assert parsed.blocks[1] == Block("image", "", (112, 220, 880, 640))
    assert parsed.markdown == "# Title\n\nText [1](a)."


def test_lighton_plain() -> None:
    assert read_markup("# A\n\n![a](b.png) text", "markers").blocks == ()


def test_olmocr() -> None:
    parsed = read_markup(OLMOCR, "front_matter")
    assert parsed.markdown.startswith("Annex I: Annual mid-year population")
    assert parsed.markdown.endswith("</table>")
    assert parsed.turned == 0


@pytest.mark.parametrize(
    ("front", "turned"),
    [
        ("is_rotation_valid: False\nrotation_correction: 90", 90),
        ("is_rotation_valid: false\nrotation_correction: 270", 270),
        ("is_rotation_valid: False\nrotation_correction: none", 0),
        ("is_rotation_valid: True\nrotation_correction: 90", 0),
    ],
)
@pytest.mark.parametrize("end", ["---\n", "------\n", "---"])
def test_olmocr_turned(front: str, turned: int, end: str) -> None:
    parsed = read_markup(f"```markdown\n---\n{front}\n{end}", "front_matter")
    assert (parsed.turned, parsed.markdown) == (turned, "")


def test_olmocr_pictures() -> None:
    text = "---\nprimary_language: en\n---\nSee\n\n![A bar chart](page_100_200_300_50.png)\n"
    parsed = read_markup(text, "front_matter")
    assert parsed.blocks == (Block("image", "A bar chart", (100, 200, 400, 250)),)
    assert parsed.markdown == "See\n\n![A bar chart]()"


def test_olmocr_without_front_matter() -> None:
    assert read_markup("Just text\n---\nmore", "front_matter").markdown == "Just text\n---\nmore"
    assert read_markup("---\nText after a rule", "front_matter").markdown.startswith("---\nText")


def test_infinity() -> None:
    parsed = read_markup(INFINITY, "layout")
    assert parsed.blocks == (Block("text", "Test", (0, 0, 500, 500)),)
    assert parsed.markdown == "Test"
    assert read_markup(INFINITY_CUT, "layout").markdown == "hello"


def test_dots() -> None:
    assert read_markup(DOTS, "layout").blocks == (Block("text", "Test content", (10, 10, 100, 50)),)
    text = """{"layout": [
        {"bbox": [80, 28, 220, 115], "category": "Picture"},
        {"bbox": [1, 2, 3, 4], "category": "Section-header", "text": "## Results"},
        {"bbox": [1, 2, 3], "category": "Table", "text": "<table></table>"},
        {"bbox": [1, 2, 3, 4], "category": "Formula", "text": "E = mc^2"},
        {"bbox": [1, 2, 3, 4], "category": "Page-footer", "text": "3"}]}"""
    parsed = read_markup(text, "layout")
    assert [block.kind for block in parsed.blocks] == [
        *("image", "title", "table", "equation", "footer")
    ]
    assert parsed.blocks[2].box is None
    assert parsed.markdown == "## Results\n\n<table></table>\n\n$$\nE = mc^2\n$$\n\n3"


@pytest.mark.parametrize(
    ("text", "understood"),
    [("Just the text.", True), ("[1, 2]", False), ("{;", False), ("[]", True), ("", True)],
)
def test_layout_that_is_none(text: str, understood: bool) -> None:
    parsed = read_markup(text, "layout")
    assert parsed.understood is understood
    assert parsed.markdown == ("" if text == "[]" else text)


def test_chandra() -> None:
    parsed = read_markup(CHANDRA, "html")
    assert [block.kind for block in parsed.blocks] == [
        *("header", "title", "text", "list", "equation", "table", "text", "image")
    ]
    assert parsed.blocks[0].box == (85, 47, 158, 61)
    assert parsed.markdown.split("\n\n") == [
        "Fossils 86",
        "## 1. Terminology & scope",
        "The **generic** name *megálo*, as $x^2$.  \nNext line",
        "- one\n- two\n  1. inner",
        "$$E = mc^2$$",
        '<table><tr><th colspan="2">A</th></tr> <tr><td>1</td><td>2</td></tr></table>',
        "☑ yes ☐ no",
        "![Map of the Pacific.]()",
    ]


@pytest.mark.parametrize("end", range(1, len(CHANDRA), 37))
def test_chandra_cut_off(end: int) -> None:
    whole, cut = read_html(CHANDRA), read_html(CHANDRA[:end])
    assert len(cut) <= len(whole)
    assert cut[:-1] == whole[: max(len(cut) - 1, 0)]


def test_chandra_without_blocks() -> None:
    parsed = read_markup("<h1>Title</h1><p>a</p><p>b</p>", "html")
    assert parsed.markdown == "# Title\n\na\n\nb"
    assert read_markup("plain", "html").markdown == "plain"


def test_nanonets() -> None:
    parsed = read_markup(NANONETS, "tags")
    assert [(block.kind, block.text) for block in parsed.blocks] == [
        ("text", "# Statement"),
        ("image", "Logo of the bank"),
        ("text", "<table><tr><td>☑ paid <img>stamp</img></td></tr></table>"),
        ("text", "OFFICIAL COPY"),
        ("footer", "9/22"),
    ]
    assert "<page_number>" not in parsed.markdown
    assert read_markup("no tags", "tags").markdown == "no tags"


def test_qwen3_vl() -> None:
    parsed = read_markup(QWEN3_VL, "markdown")
    assert [(block.kind, block.box) for block in parsed.blocks] == [
        ("text", None),
        ("image", (115, 270, 475, 495)),
        ("text", None),
        ("table", (60, 500, 940, 900)),
        ("text", None),
    ]
    assert parsed.markdown == (
        "## 4.2 Results\n\nAs the table shows:\n\n<table>"
        '<tr><td rowspan="2">Model</td><td colspan="2">Score</td></tr>'
        "<tr><td>2024</td><td>2025</td></tr>"
        "<tr><td>A &amp; B</td><td>50%</td><td>$x_1$</td></tr></table>\n\nSource: own work"
    )


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("# A\n\ntext", "# A\n\ntext"),
        ("```markdown\n# A\n```", "# A"),
        ("```\n# A", "# A"),
        ("```python\nprint(1)\n```", "```python\nprint(1)\n```"),
        ("```\na\n```\n\ntext\n\n```\nb\n```", "```\na\n```\n\ntext\n\n```\nb\n```"),
        ("Hm, a receipt.\n</think>\n\nTotal 5", "Total 5"),
        ("<think>\nHm.\n</think>\nTotal 5", "Total 5"),
        ("<!-- a comment -->", "<!-- a comment -->"),
        ("", ""),
    ],
)
def test_markdown(text: str, markdown: str) -> None:
    assert read_markup(text, "markdown").markdown == markdown
    assert without_thought("Total 5") == "Total 5"


@pytest.mark.parametrize(
    ("latex", "html"),
    [
        (r"\begin{tabular}{ll}a & b\end{tabular}", "<table><tr><td>a</td><td>b</td></tr></table>"),
        (r"\begin{tabular}{p{2cm}}a<b \\[2pt]", "<table><tr><td>a&lt;b</td></tr></table>"),
        ("no table", "no table"),
    ],
)
def test_latex_tables(latex: str, html: str) -> None:
    assert tables_to_html(latex) == html


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(
    "text", ["", "\n", "\x00", "[" * 9999, "<" * 9999, "```" * 999, "![a](" * 999]
)
def test_nothing_breaks_it(output: str, text: str) -> None:
    assert isinstance(read_markup(text, output).markdown, str)


def test_names_of_blocks() -> None:
    assert [kind_of(label) for label in ("List-Group", "page footer", "Picture", "new")] == [
        *("list", "footer", "image", "text")
    ]
    assert to_markdown([Block("image", ""), Block("image", "a\n[b]")]) == "a\n[b]"
