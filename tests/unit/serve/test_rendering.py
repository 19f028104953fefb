"""Rendering what strangers send, in the process that is made for it."""

import os
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from qwen_ocr_serve.documents.render_pdf import MAX_PAGES, MAX_PIXELS
from qwen_ocr_serve.documents.rendering import RenderError, render


def pdf(*, pages: int = 1, box: str = "0 0 200 100", objects: str = "", content: str = "") -> bytes:
    """A PDF without a cross-reference table, which readers then make themselves."""
    kids = " ".join(f"{10 + number} 0 R" for number in range(pages))
    leaves = "".join(
        f"{10 + number} 0 obj <</Type/Page/Parent 2 0 R/MediaBox[{box}]/Contents 3 0 R"
        "/Resources<</XObject<</F0 5000 0 R>>>>>> endobj\n"
        for number in range(pages)
    )
    return (
        "%PDF-1.7\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n"
        f"2 0 obj <</Type/Pages/Count {pages}/Kids[{kids}]>> endobj\n{leaves}"
        f"3 0 obj <</Length {len(content)}>> stream\n{content}\nendstream endobj\n{objects}"
        "trailer <</Root 1 0 R>>\n%%EOF"
    ).encode()


def bomb(depth: int = 9, width: int = 12) -> str:
    """Forms that each draw the next one a dozen times: a few hundred bytes, billions of shapes."""
    forms = ""
    for level in range(depth):
        drawing = f"/F{level + 1} Do " * width if level < depth - 1 else "0 0 50 50 re f"
        forms += (
            f"{5000 + level} 0 obj <</Type/XObject/Subtype/Form/BBox[0 0 200 100]"
            f"/Resources<</XObject<</F{level + 1} {5001 + level} 0 R>>>>/Length {len(drawing)}>>"
            f" stream\n{drawing}\nendstream endobj\n"
        )
    return forms


async def test_a_page_is_rendered_at_its_size() -> None:
    picture = await render(pdf(pages=3), 2, 72, 4096)
    assert picture.page_count == 3
    assert Image.open(BytesIO(picture.png)).size == (200, 100)


async def test_the_width_wins_over_the_resolution() -> None:
    assert Image.open(BytesIO((await render(pdf(), 1, 720, 400)).png)).size == (400, 200)


async def test_a_tall_page_has_no_more_pixels_than_any() -> None:
    picture = await render(pdf(box="0 0 300 14000"), 1, 1200, 4096)
    width, height = Image.open(BytesIO(picture.png)).size
    assert MAX_PIXELS * 0.95 < width * height < MAX_PIXELS * 1.05


async def test_a_page_that_never_ends_is_given_up() -> None:
    started = time.monotonic()
    with pytest.raises(RenderError, match=r"longer than 2 s|cannot be rendered"):
        await render(pdf(objects=bomb(), content="/F0 Do"), 1, 72, 4096, time_limit=2)
    assert time.monotonic() - started < 20
    assert (await render(pdf(), 1, 72, 4096)).page_count == 1


def test_the_process_is_kept_small_and_writes_no_file(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from qwen_ocr_serve.documents.render_pdf import limit
limit(5)
try:
    bytearray(2**30)
except MemoryError:
    print("no memory")
try:
    Path({str(tmp_path / "file")!r}).write_text("x")
except OSError as exc:
    print("no file:", exc.strerror)
"""
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout == "no memory\nno file: File too large\n"


async def test_too_many_pages_are_refused() -> None:
    with pytest.raises(RenderError, match=f"more than {MAX_PAGES}"):
        await render(pdf(pages=MAX_PAGES + 1), 1, 72, 4096)


async def test_the_process_knows_no_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Python runs this first in every process that has the folder on its path.
    seen = tmp_path / "seen"
    (tmp_path / "sitecustomize.py").write_text(
        f"import os, pathlib; pathlib.Path({str(seen)!r}).write_text(repr(dict(os.environ)))"
    )
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("QWEN_OCR_API_KEYS", "alice:secret-1")
    await render(pdf(), 1, 72, 4096)
    assert "PYTHONPATH" in seen.read_text()
    assert "secret-1" not in seen.read_text()
