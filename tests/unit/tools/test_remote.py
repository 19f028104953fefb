"""Inputs in an object store, here fsspec's own in memory, and files as Ray's workers read them."""

import asyncio
import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pypdfium2
import pytest

from qwen_ocr.errors import ConfigurationError, ImageError
from qwen_ocr.outcomes import Outcome
from qwen_ocr.settings import ClientSettings
from qwen_ocr_tools.batch import remote
from qwen_ocr_tools.batch.inputs import Inputs
from qwen_ocr_tools.batch.ray_worker import FileReader, FileTask, WorkerSettings
from qwen_ocr_tools.batch.reading import Job
from qwen_ocr_tools.batch.records import succeeded, version

SAMPLE = Path(__file__).parents[2] / "samples" / "receipt.pdf"


@pytest.fixture
def store(png: bytes) -> Iterator[Any]:
    """A store with images, hidden ones, and something else."""
    files = fsspec.filesystem("memory")
    names = ["a.png", "b.PNG", "sub/c.png", ".hidden.png", ".git/d.png", "sub/notes.txt"]
    for name in names:
        files.pipe(f"/scans/{name}", png)
    yield files
    files.rm("/", recursive=True)


ALL = ["memory:///scans/a.png", "memory:///scans/b.PNG", "memory:///scans/sub/c.png"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["memory://scans"], ALL),
        (["memory:///scans/"], ALL),
        (["memory://scans/*"], ALL[:2]),
        (["memory://scans/**/*.png"], [ALL[0], ALL[2]]),
        (["memory://scans/.hid*"], ["memory:///scans/.hidden.png"]),
        (["memory://scans/b.PNG", "memory://scans/sub"], ALL[1:]),
    ],
)
def test_urls_are_found(store: Any, arguments: list[str], expected: list[str], png: bytes) -> None:
    found = dict(Inputs(arguments, urls=True))
    assert list(found) == expected
    for size, changed in found.values():
        assert size == len(png)
        assert changed > 10**18


def test_urls_in_a_list(store: Any, tmp_path: Path, png: bytes) -> None:
    (tmp_path / "local.png").write_bytes(png)
    lines = ["memory://scans/a.png\n", f"{tmp_path}\n", "memory://gone.png\n"]
    found = dict(Inputs(["-"], lines, urls=True))
    assert list(found) == [ALL[0], str(tmp_path / "local.png"), "memory:///gone.png"]
    assert found["memory:///gone.png"] == (0, 0)
    assert found[ALL[0]] == dict(Inputs(ALL, urls=True))[ALL[0]]


def test_a_store_is_not_counted(store: Any) -> None:
    assert Inputs(["memory://scans"], urls=True).count() is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://none", "memory://none: no such file or folder"),
        ("memory://none/*.png", "no file matches"),
        ("nope://bucket/scans", "cannot be listed .*nope"),
        ("lakefs://bucket/scans", "lakefs://bucket/scans: .*[Ii]nstall lakefs"),
    ],
)
def test_what_is_not_there(store: Any, url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Inputs([url], urls=True)


def test_without_ray_there_are_no_stores() -> None:
    with pytest.raises(ConfigurationError, match="only --ray reads from an object store"):
        Inputs(["s3://bucket/scans"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("s3://bucket/a.png", True),
        ("GS://bucket", True),
        ("https://host/a.png", False),
        ("data:image/png;base64,", False),
        ("c/s3://odd", False),
        ("/a.png", False),
    ],
)
def test_what_is_a_url(name: str, expected: bool) -> None:
    assert remote.is_url(name) == expected


@pytest.mark.parametrize(
    ("info", "changed"),
    [
        ({"LastModified": "2026-01-02T03:04:05.678+00:00"}, 1767323045678000000),
        ({"mtime": 1767323045.5}, 1767323045500000000),
        ({}, 0),
    ],
)
def test_the_time_of_the_last_change(info: dict[str, Any], changed: int) -> None:
    assert remote._version({"size": 7} | info) == (7, changed)  # noqa: SLF001 - each store's own


def test_fetching(store: Any, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remote.fetch(ALL[0]) == png
    with pytest.raises(ImageError, match="memory:///gone"):
        remote.fetch("memory:///gone.png")
    monkeypatch.setattr("qwen_ocr.sources.MAX_BYTES", 10)
    monkeypatch.setattr("qwen_ocr_tools.batch.remote.MAX_BYTES", 10)
    with pytest.raises(ImageError, match="more than"):
        remote.fetch(ALL[0])


def read(server: Any, *tasks: FileTask) -> list[list[Outcome[Job]]]:
    """What a worker makes of one call."""
    settings = ClientSettings.load(base_url=server.url, max_retries=0)
    reader = FileReader(WorkerSettings([settings], "Read it.", {}, 100.0, concurrency=2))
    rows = asyncio.run(reader(pa.table({"tasks": [pickle.dumps(task) for task in tasks]})))
    done = [pickle.loads(row) for row in rows["done"].to_pylist()]
    assert [file.name for file in done] == [task.name for task in tasks]
    return [file.pages for file in done]


@pytest.fixture
def three_pages(tmp_path: Path) -> bytes:
    pdf = pypdfium2.PdfDocument.new()
    for _ in range(3):
        pdf.import_pages(pypdfium2.PdfDocument(SAMPLE))
    buffer = io.BytesIO()
    pdf.save(buffer)
    return buffer.getvalue()


def test_a_worker_reads_files(server: Any, tmp_path: Path, png: bytes, three_pages: bytes) -> None:
    image, pdf = tmp_path / "a.png", tmp_path / "b.pdf"
    image.write_bytes(png)
    pdf.write_bytes(three_pages)
    tasks = [
        FileTask(str(pdf), version(str(pdf)), frozenset({2})),
        FileTask(str(image), version(str(image)), frozenset()),
        FileTask(str(tmp_path / "gone.png"), (0, 0), frozenset()),
    ]
    of_pdf, of_image, of_gone = read(server, *tasks)
    assert [outcome.input.page.number for outcome in of_pdf] == [1, 3]
    (outcome,) = of_image
    assert outcome.result
    assert outcome.input.description == {
        "file": str(image),
        "page": 1,
        "pages": 1,
        "bytes": len(png),
        "mtime_ns": image.stat().st_mtime_ns,
        "prompt": "Read it.",
    }
    record = succeeded(outcome.input.description, outcome.result, None)
    assert record["text"] == "TOTAL 12.50"
    assert isinstance(of_gone[0].error, ImageError)
    assert "No such file" in str(of_gone[0].error)
    assert len(server.chats) == 3


def test_a_worker_reads_from_a_store(server: Any, store: Any, three_pages: bytes) -> None:
    store.pipe("/scans/three.pdf", three_pages)
    store.pipe("/scans/bad.png", b"no image")
    names = [ALL[0], "memory:///scans/three.pdf", "memory:///scans/bad.png", "memory:///gone.png"]
    of_png, of_pdf, of_bad, of_gone = read(
        server, *(FileTask(name, (1, 2), frozenset()) for name in names)
    )
    assert [len(of_png), len(of_pdf)] == [1, 3]
    assert all(outcome.result for outcome in (*of_png, *of_pdf))
    # What travels back is as small as for a file on a disk.
    assert len(pickle.dumps(of_pdf)) < 3000
    for (outcome,) in (of_bad, of_gone):
        assert isinstance(outcome.error, ImageError)
        assert outcome.input.page.complaint(outcome.error).startswith("memory:///")


def test_a_worker_sends_errors_back(server: Any, store: Any) -> None:
    server.answer(b'{"message": "no"}', status=400)
    ((outcome,),) = read(server, FileTask(ALL[0], (1, 2), frozenset()))
    assert outcome.error
    assert outcome.error.status == 400
