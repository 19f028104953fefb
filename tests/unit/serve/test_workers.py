"""Opening what strangers send, in the processes that are made for it."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from qwen_ocr_serve.documents.document import MOST_PIXELS
from qwen_ocr_serve.documents.files import DocumentFile
from qwen_ocr_serve.documents.workers import PageError, PageWorkers


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


@pytest.fixture
async def workers() -> AsyncIterator[PageWorkers]:
    """One process, which ends with the test."""
    one = PageWorkers(1)
    yield one
    await one.close()


async def render(
    workers: PageWorkers, data: bytes, page: int, *, dpi: float = 72, width: float = 4096
) -> tuple[Image.Image, int]:
    with closing(await DocumentFile.of_bytes(data)) as document:
        png, count = await workers.picture(document, page, dpi=dpi, width=width)
    return Image.open(BytesIO(png)), count


async def test_a_page_is_rendered_at_its_size(workers: PageWorkers) -> None:
    picture, count = await render(workers, pdf(pages=3), 1)
    assert (picture.size, count) == ((200, 100), 3)


async def test_the_width_wins_over_the_resolution(workers: PageWorkers) -> None:
    picture, _ = await render(workers, pdf(), 0, dpi=720, width=400)
    assert picture.size == (400, 200)


async def test_a_tall_page_has_no_more_pixels_than_any(workers: PageWorkers) -> None:
    picture, _ = await render(workers, pdf(box="0 0 300 14000"), 0, dpi=1200)
    assert MOST_PIXELS * 0.95 < picture.width * picture.height < MOST_PIXELS * 1.05


async def test_a_page_that_never_ends_is_given_up(workers: PageWorkers) -> None:
    data = pdf(objects=bomb(), content="/F0 Do")
    started = time.monotonic()
    with (
        closing(await DocumentFile.of_bytes(data)) as document,
        pytest.raises(PageError, match=r"longer than 1 s|cannot be analysed") as caught,
    ):
        await workers.analyse(document, 0, time_limit=1)
    assert caught.value.code in ("page_timeout", None)
    assert time.monotonic() - started < 20
    assert (await render(workers, pdf(), 0))[1] == 1


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.7\n" + b"[" * 2_000_000, b"\x89PNG\r\n\x1a\n", b"II*\0"]
)
async def test_what_breaks_its_process_breaks_no_other(workers: PageWorkers, data: bytes) -> None:
    with closing(await DocumentFile.of_bytes(data)) as document, pytest.raises(PageError):
        await workers.analyse(document, 0)
    assert (await render(workers, pdf(), 0))[1] == 1


async def test_a_page_that_is_not_there(workers: PageWorkers) -> None:
    with pytest.raises(PageError, match="the document has 3"):
        await render(workers, pdf(pages=3), 3)


async def test_a_document_stays_open_for_its_next_page(workers: PageWorkers) -> None:
    with closing(await DocumentFile.of_bytes(pdf(pages=2))) as document:
        assert await workers.count(document) == 2
    # The file is gone, and the process still has what it opened.
    _, count = await workers.picture(document, 1, dpi=72, width=4096)
    assert count == 2


async def test_nothing_is_left_of_a_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    document = await DocumentFile.of_bytes(b"secret")
    path = Path(document.path)
    assert await asyncio.to_thread(path.read_bytes) == b"secret"
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # blocks for a moment only
    document.close()
    assert not await asyncio.to_thread(path.exists)


def test_the_process_is_kept_small_and_writes_no_file(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from qwen_ocr_serve.documents.worker import MEMORY, limit
limit()
try:
    bytearray(MEMORY)
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


async def test_the_process_knows_no_secrets(
    workers: PageWorkers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Python runs this first in every process that has the folder on its path.
    seen = tmp_path / "seen"
    (tmp_path / "sitecustomize.py").write_text(
        f"import os, pathlib; pathlib.Path({str(seen)!r}).write_text(repr(dict(os.environ)))"
    )
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("QWEN_OCR_API_KEYS", "alice:secret-1")
    await render(workers, pdf(), 0)
    assert "PYTHONPATH" in seen.read_text()
    assert "secret-1" not in seen.read_text()
