"""Real pages in Chinese and Japanese, drawn by a browser with free fonts."""

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

FONTS = ("Noto Sans CJK SC", "Noto Serif CJK SC", "WenQuanYi Zen Hei")
VERTICAL_FONTS = FONTS[:2]
"""The last one has no measures for vertical lines: there, its characters overlap."""
REPORT = """<h1>季度运营报告</h1>
<p>委员会推迟了表决，因为三份文件尚未送达。主席在会议开始时说明，下一次会议将在十月举行，届时<!--
-->所有成员都必须出席，并提交书面意见。“这是最后的期限”，他补充道。</p>
<p>本服务基于 vLLM 0.32 部署，默认加载 Qwen3-VL 模型，单张 GPU 需要 24 GiB 显存。上下文长度
context length 为 32768 个 token，流式输出可随时关闭；详细的 deployment instructions are described
in the following document 以及附录（见第 3 页）。</p>
<p>野家𠮷野，𠀋是生僻字；⼀⼈⼤⽇⽊是部首。</p>
<table><tr><td>项目</td><td>金额（元）</td></tr><tr><td>咖啡 Espresso</td><td>26.44</td></tr>
<tr><td>合计</td><td>60.36</td></tr></table>"""
"""With a paragraph of mixed script, rare characters beyond the Basic Multilingual Plane, radicals
that look like characters, and a table."""
STORY = """<h1>桃花源记</h1>
<p>晋太元中，武陵人捕鱼为业。缘溪行，忘路之远近。忽逢桃花林，夹岸数百步，中无杂树，芳草鲜美，<!--
-->落英缤纷。渔人甚异之，复前行，欲穷其林。</p>
<p>林尽水源，便得一山，山有小口，仿佛若有光。便舍船，从口入。初极狭，才通人。复行数十步，豁然开朗。</p>
<p>土地平旷，屋舍俨然，有良田、美池、桑竹之属。阡陌交通，鸡犬相闻。其中往来种作，男女衣着，<!--
-->悉如外人。</p>"""
"""From a text of the year 421."""
VERTICAL = "writing-mode: vertical-rl; height: 22cm; line-height: 1.8"


@cache
def pdf_of(body: str, font: str = FONTS[0], style: str = "") -> bytes:
    """A PDF of one page, with its text. Skips the test where Chromium or the font is missing."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    listed = subprocess.run(["fc-list", font], capture_output=True, check=True).stdout
    if not listed:
        pytest.skip(f"{font} is not installed: apt-get install fonts-noto-cjk fonts-wqy-zenhei")
    body_style = f"font: 14pt '{font}'; margin: 2cm; width: 15cm; {style}"
    css = f"body {{ {body_style} }} td {{ padding: 4px 40px }}"
    with tempfile.TemporaryDirectory() as folder:
        page, pdf = Path(folder, "page.html"), Path(folder, "page.pdf")
        page.write_text(f"<meta charset=utf-8><style>{css}</style>{body}", "utf-8")
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer")
        subprocess.run(
            [
                chromium,
                *options,
                f"--user-data-dir={folder}/profile",
                f"--print-to-pdf={pdf}",
                page,
            ],
            capture_output=True,
            check=True,
            timeout=120,
        )
        return pdf.read_bytes()


def found_by_pdftotext(pdf: bytes) -> str:
    """The text that a PDF's readers find in it."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed: apt-get install poppler-utils")
    done = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode()
