"""`qwen-ocr batch --ray` before there is a Ray; with a real one it is tested elsewhere."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from qwen_ocr_tools.batch.archive import Archive
from qwen_ocr_tools.batch.batch import BatchSpec
from qwen_ocr_tools.batch.inputs import Inputs
from qwen_ocr_tools.batch.journal import Journal
from qwen_ocr_tools.batch.progress import Progress, Tally
from qwen_ocr_tools.batch.records import version
from qwen_ocr_tools.cli import app

Run = Callable[..., Any]
PROMPT = "Read it."


@pytest.fixture
def run(server: Any, tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "a.png").write_bytes(png)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QWEN_OCR_BASE_URL", server.url)
    return lambda *args: CliRunner().invoke(app, ["batch", "a.png", "-o", "out.jsonl", *args])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ray", "--sidecar"], "--sidecar has no meaning with --ray"),
        (["--ray", "--searchable-pdf", "pdf"], "--searchable-pdf has no meaning with --ray"),
        (["--ray", "--read-answers", "a.jsonl"], "--read-answers has no meaning with --ray"),
        (["--workers", "2"], "--workers has no meaning without --ray"),
        (["--base-url", "http://one", "--base-url", "two"], "base_url (or QWEN_OCR_BASE_URL)"),
    ],
)
def test_wrong_usage(run: Run, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("out.jsonl").exists()


def test_without_ray(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "qwen_ocr_tools.batch.ray_batch", raising=False)
    result = run("--ray")
    assert result.exit_code == 2
    assert result.stderr == "qwen-ocr: --ray needs ray: pip install 'qwen-ocr[ray]'\n"


def test_plain_batches_do_not_import_ray(run: Run) -> None:
    before = "ray" in sys.modules
    assert run().exit_code == 0
    assert ("ray" in sys.modules) == before


async def test_settled_pages_are_not_given_out(tmp_path: Path, png: bytes) -> None:
    from qwen_ocr_tools.batch.ray_batch import RayBatch  # here, because importing Ray takes seconds

    for name in ("done.png", "failed.png", "new.png", "changed.png"):
        (tmp_path / name).write_bytes(png)
    for name in ("whole.tiff", "half.tiff"):
        frames = [Image.new("L", (64, 48), 255) for _ in range(2)]
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])

    def line(name: str, page: int = 1, pages: int = 1, **fields: Any) -> dict[str, Any]:
        path = str(tmp_path / name)
        size, changed = version(path)
        place = {"file": path, "page": page, "pages": pages, "bytes": size, "mtime_ns": changed}
        return place | {"prompt": PROMPT, "text": ""} | fields

    def given_out(*, retry_failed: bool) -> tuple[dict[str, set[int]], Tally]:
        inputs = Inputs([str(tmp_path / "*.png"), str(tmp_path / "*.tiff")])
        spec = BatchSpec(inputs, output, PROMPT, {}, [], Archive(), retry_failed=retry_failed)
        with Journal(output, PROMPT) as journal, Progress(Tally(6)) as progress:
            batch = RayBatch(
                spec=spec, journal=journal, progress=progress, dpi=200.0, concurrency=1
            )
            tasks = {Path(task.name).name: set(task.settled) for task in batch.files()}
            return tasks, progress.tally

    output = tmp_path / "out.jsonl"
    with Journal(output, PROMPT) as journal:
        for record in (
            line("done.png"),
            line("failed.png", error="ServerError"),
            line("changed.png", bytes=1),
            line("whole.tiff", 1, 2),
            line("whole.tiff", 2, 2),
            line("half.tiff", 2, 2),
        ):
            journal.append(record)
    left: dict[str, set[int]] = {"new.png": set(), "changed.png": set(), "half.tiff": {2}}
    tasks, tally = given_out(retry_failed=False)
    assert tasks == left
    assert (tally.found, tally.found_failed, tally.opened) == (4, 1, 3)
    tasks, tally = given_out(retry_failed=True)
    assert tasks == left | {"failed.png": set()}
    assert (tally.found, tally.found_failed, tally.opened) == (4, 0, 2)
