"""Each format that people have on disk, in its true layout, whole and broken."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwen_ocr.errors import ConfigurationError
from qwen_ocr.results import TextBox
from qwen_ocr_tools.evaluation.dataset import Dataset
from qwen_ocr_tools.evaluation.loading import load_dataset

Picture = Callable[..., Path]
EVALUATION = Path(__file__).parents[3] / "evaluation"


def problems(dataset: Dataset) -> str:
    return "\n".join(dataset.problems)


def test_our_own_set_is_whole_and_small() -> None:
    dataset = load_dataset(EVALUATION)
    assert (dataset.format, len(dataset.samples), dataset.problems) == ("truth.jsonl", 140, [])
    assert sum(file.stat().st_size for file in EVALUATION.iterdir()) < 4 * 10**6


def test_truth_with_all_it_can_hold(dataset: Callable[..., Path]) -> None:
    folder = dataset(
        {
            "file": "a.png",
            "text": "Tea 2.50",
            "kind": "receipt",
            "language": "en",
            "boxes": [{"text": "Tea 2.50", "box": [8, 8, 60, 20]}],
            "fields": {"total": 2.5},
        },
        {"file": "blank.png", "text": ""},
    )
    for path in (folder, folder / "truth.jsonl"):
        first, blank = load_dataset(path).samples
        assert (first.text, first.kind, first.language) == ("Tea 2.50", "receipt", "en")
        assert first.boxes == (TextBox("Tea 2.50", (8, 8, 60, 20)),)
        assert first.fields == {"total": 2.5}
        assert blank.text == ""
        assert blank.has("text")
        assert not blank.has("boxes")


def test_broken_rows_are_named_and_the_others_kept(dataset: Callable[..., Path]) -> None:
    folder = dataset(
        {"file": "a.png", "text": "good"},
        "{not json",
        {"file": "b.png"},
        {"text": "no file"},
        {"file": "c.png", "text": 7},
        '{"file": "gone.png", "text": "x"}',
        "",
        {"file": "a.png", "text": "again"},
        '["a list"]',
        {"file": "z.png", "text": "also good"},
    )
    loaded = load_dataset(folder)
    assert [sample.name for sample in loaded.samples] == ["a.png", "z.png"]
    assert loaded.samples[0].text == "good"
    assert len(loaded.problems) == 7
    for expected in (
        "truth.jsonl line 2: Invalid JSON",
        "truth.jsonl line 3: no truth",
        "truth.jsonl line 4: file: Field required",
        "truth.jsonl line 5: text: Input should be a valid string",
        "truth.jsonl line 6: no such file",
        "truth.jsonl line 8: a.png is there twice",
        "truth.jsonl line 9: ",
    ):
        assert expected in problems(loaded)


def test_pairs(tmp_path: Path, picture: Picture) -> None:
    picture(tmp_path / "one.png")
    (tmp_path / "one.txt").write_text("\ufeffFirst page\n", "utf-8")
    picture(tmp_path / "letters" / "two.jpg")
    (tmp_path / "letters" / "two.gt.txt").write_text("Second page\n", "utf-8")
    picture(tmp_path / "three.png")
    picture(tmp_path / "four.png")
    (tmp_path / "four.txt").write_bytes(b"caf\xe9")
    dataset = load_dataset(tmp_path)
    assert dataset.format == "images and texts"
    assert {s.name: (s.text, s.kind) for s in dataset.samples} == {
        "letters/two.jpg": ("Second page\n", "letters"),
        "one.png": ("First page\n", "all"),
    }
    assert "three.png: no three.txt beside it" in dataset.problems
    assert "four.txt: 'utf-8' codec" in problems(dataset)


def block(category: str, order: int | None, **content: Any) -> dict[str, Any]:
    """An element as OmniDocBench.json has it."""
    return {
        "category_type": category,
        "poly": [10.0, 20.0, 200.0, 20.0, 200.0, 40.0, 10.0, 40.0],
        "ignore": False,
        "order": order,
        "anno_id": order or 0,
        **content,
    }


def test_omnidocbench(tmp_path: Path, picture: Picture) -> None:
    picture(tmp_path / "images" / "page-1.png")
    line = {
        "category_type": "text_span",
        "poly": [10.0, 20.4, 200.0, 20.0, 200.0, 40.0, 10.0, 40.0],
        "ignore": False,
        "text": "A title",
    }
    page = {
        "layout_dets": [
            block("text_block", 2, text="Body text.", attribute={"text_language": "text_en"}),
            block("title", 1, text="A title", line_with_spans=[line]),
            block("header", None, text="Page header"),
            block("text_block", 5, text="unreadable", ignore=True),
            block("equation_isolated", 3, latex="$$E = mc^2$$"),
            block(
                "table",
                4,
                html="<table><tr><td>Tea</td><td>2 &lt; 3</td></tr><tr><td>x</td></tr></table>",
                latex="\\begin{tabular}",
            ),
            block("figure", None),
        ],
        "page_info": {
            "page_no": 0,
            "height": 1684,
            "width": 1200,
            "image_path": "page-1.png",
            "page_attribute": {"data_source": "magazine", "language": "english"},
        },
        "extra": {"relation": []},
    }
    broken = {"layout_dets": [{"category_type": "title"}], "page_info": {"image_path": "x.png"}}
    missing = page | {"page_info": {"image_path": "gone.png"}}
    file = tmp_path / "OmniDocBench.json"
    file.write_text(json.dumps([page, broken, missing]))
    for path in (tmp_path, file):
        dataset = load_dataset(path)
        (sample,) = dataset.samples
        assert dataset.format == "OmniDocBench"
        assert sample.text is not None
        assert sample.text.split("\n") == [
            "A title", "Body text.", "$$E = mc^2$$", "Tea 2 < 3 ", "x ", "",
        ]  # fmt: skip
        assert (sample.kind, sample.language) == ("magazine", "english")
        assert sample.boxes == (TextBox("A title", (10, 20, 200, 40)),)
        assert "page 2: layout_dets.0.poly: Field required" in problems(dataset)
        assert "page 3: no such file" in problems(dataset)


def test_olmocr_bench(tmp_path: Path) -> None:
    pdf = (EVALUATION.parent / "samples" / "receipt.pdf").read_bytes()
    folder = tmp_path / "bench_data"
    (folder / "pdfs" / "shops").mkdir(parents=True)
    (folder / "pdfs" / "shops" / "receipt.pdf").write_bytes(pdf)
    common = {"pdf": "shops/receipt.pdf", "page": 1, "url": "https://example.org", "checked": None}
    rows: list[dict[str, Any]] = [
        {"id": "1", "type": "present", "text": "Espresso", "max_diffs": 1, "case_sensitive": True},
        {"id": "2", "type": "absent", "text": "Page 3", "first_n": 50, "max_diffs": 0},
        {"id": "3", "type": "order", "before": "Espresso", "after": "Total", "max_diffs": 1},
        {"id": "4", "type": "math", "math": "x^2"},
        {"id": "5", "type": "table", "cell": "1"},
        {"id": "6", "type": "present", "text": "", "max_diffs": 0},
    ]
    lines = [json.dumps(common | row) for row in rows]
    (folder / "shops.jsonl").write_text("\n".join([*lines, "{"]))
    gone = {"pdf": "gone.pdf", "page": 1, "id": "7", "type": "present", "text": "x"}
    (folder / "others.jsonl").write_text(json.dumps(gone))
    dataset = load_dataset(tmp_path)
    (sample,) = dataset.samples
    assert dataset.format == "olmOCR-bench"
    assert (sample.name, sample.page, sample.kind) == ("shops/receipt.pdf#1", 1, "shops")
    assert [check.type for check in sample.checks] == ["present", "absent", "order", "baseline"]
    assert sample.text is None
    for expected in (
        "'math' are not computed here: 1",
        "'table'",
        "line 6: present.text",
        "line 7",
    ):
        assert expected in problems(dataset)
    assert "gone.pdf" in problems(dataset)


HOCR = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
    "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head><title></title><meta name='ocr-system' content='tesseract 5.3.0' /></head>
 <body>
  <div class='ocr_page' id='page_1' title='image "IMAGE"; bbox 0 0 120 40; ppageno 0'>
   <div class='ocr_carea' id='block_1_1' title="bbox 8 8 110 36">
    <p class='ocr_par' id='par_1_1' lang='eng' title="bbox 8 8 110 36">
     <span class='ocr_header' id='line_1_1' title="bbox 8 8 90 18; baseline 0 -4; x_size 12">
      <span class='ocrx_word' id='word_1_1' title='bbox 8 8 40 18; x_wconf 96'>Fish</span>
      <span class='ocrx_word' id='word_1_2' title='bbox 44 8 60 18'><em>&amp;</em></span>
      <span class='ocrx_word' id='word_1_3' title='bbox 64 8 90 18; x_wconf 96'>Chips</span>
     </span>
     <span class='ocr_line' id='line_1_2' title="bbox 8 22 110 36; baseline 0 -4">
      <span class='ocrx_word' id='word_1_4' title='bbox 8 22 60 36; x_wconf 9'>12.50</span><br/>
     </span>
    </p>
   </div>
  </div>
 </body>
</html>
"""
ALTO = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#">
 <Description>
  <MeasurementUnit>pixel</MeasurementUnit>
  <sourceImageInformation><fileName>IMAGE</fileName></sourceImageInformation>
 </Description>
 <Layout>
  <Page ID="p1" PHYSICAL_IMG_NR="1" WIDTH="120" HEIGHT="40">
   <PrintSpace HPOS="0" VPOS="0" WIDTH="120" HEIGHT="40">
    <ComposedBlock ID="c1"><TextBlock ID="b1">
     <TextLine ID="l1" HPOS="8" VPOS="8.4" WIDTH="82" HEIGHT="10">
      <String CONTENT="Fish" HPOS="8" VPOS="8" WIDTH="32" HEIGHT="10"/><SP WIDTH="4"/>
      <String CONTENT="&amp;" HPOS="44" VPOS="8" WIDTH="16" HEIGHT="10"/><SP WIDTH="4"/>
      <String CONTENT="Chips" HPOS="64" VPOS="8" WIDTH="26" HEIGHT="10"/>
     </TextLine>
     <TextLine ID="l2" HPOS="8" VPOS="22" WIDTH="102" HEIGHT="14">
      <String CONTENT="12.50" HPOS="8" VPOS="22" WIDTH="52" HEIGHT="14"/><HYP CONTENT="-"/>
     </TextLine>
    </TextBlock></ComposedBlock>
   </PrintSpace>
  </Page>
 </Layout>
</alto>
"""


@pytest.mark.parametrize(
    ("name", "content", "last"),
    [("page.hocr", HOCR, "12.50"), ("page.html", HOCR, "12.50"), ("page.xml", ALTO, "12.50-")],
)
@pytest.mark.parametrize("image", ["page.png", "/elsewhere/when/it/was/made/page.png", "lost.tif"])
def test_layouts(
    tmp_path: Path, picture: Picture, name: str, content: str, last: str, image: str
) -> None:
    picture(tmp_path / "page.png")
    (tmp_path / name).write_text(content.replace("IMAGE", image), "utf-8")
    dataset = load_dataset(tmp_path)
    (sample,) = dataset.samples
    assert dataset.format == "hOCR or ALTO"
    assert sample.text == f"Fish & Chips\n{last}"
    assert sample.boxes == (
        TextBox("Fish & Chips", (8, 8, 90, 18)),
        TextBox(last, (8, 22, 110, 36)),
    )
    assert sample.path == tmp_path / "page.png"


def test_alto_in_millimetres_has_no_boxes(tmp_path: Path, picture: Picture) -> None:
    picture(tmp_path / "page.png")
    (tmp_path / "page.xml").write_text(ALTO.replace(">pixel<", ">mm10<"))
    (sample,) = load_dataset(tmp_path).samples
    assert sample.boxes is None


def test_broken_layouts(tmp_path: Path, picture: Picture) -> None:
    for name in ("good.png", "cut.png", "other.png", "empty.png"):
        picture(tmp_path / name)
    (tmp_path / "good.xml").write_text(ALTO.replace("IMAGE", "good.png"))
    (tmp_path / "cut.xml").write_text(ALTO[:300])
    (tmp_path / "other.xml").write_text("<svg><!-- alto --></svg>")
    (tmp_path / "drawing.xml").write_text("<svg/>")  # of no concern, so of no mention
    (tmp_path / "empty.hocr").write_text("<html/>")
    (tmp_path / "alone.hocr").write_text(HOCR.replace("IMAGE", "nowhere.png"))
    (tmp_path / "badline.hocr").write_text(HOCR.replace("bbox 8 22 110 36; ", ""))
    dataset = load_dataset(tmp_path)
    assert [sample.name for sample in dataset.samples] == ["good.png"]
    for expected in (
        "cut.xml: neither hOCR nor ALTO",
        "other.xml: neither hOCR nor ALTO (its root is 'svg')",
        "empty.hocr: no page in it",
        "alone.hocr page 1: no such image: nowhere.png",
        "badline.hocr: neither hOCR nor ALTO (a line without bbox",
    ):
        assert expected in problems(dataset)
    assert len(dataset.problems) == 5


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "is no dataset: give a folder with truth.jsonl"),
        ({"truth.jsonl": "{"}, "truth.jsonl without a page to read. truth.jsonl line 1"),
        ({"truth.jsonl": ""}, "truth.jsonl without a page to read"),
        ({"notes.json": "{}"}, "is no dataset"),
        ({"a.json": '[{"layout_dets": '}, "OmniDocBench without a page to read"),
    ],
)
def test_what_is_no_dataset(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        load_dataset(tmp_path)
    assert message in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder"):
        load_dataset(tmp_path / "none")
