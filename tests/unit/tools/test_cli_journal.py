"""The output of a batch: whole after any crash, every page once, small in memory."""

import json
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qwen_ocr import ConfigurationError
from qwen_ocr.errors import OutputError
from qwen_ocr_tools.batch.journal import Journal
from qwen_ocr_tools.batch.records import encode, state_key

PROMPT = "Read."
Record = dict[str, Any]


def record(number: int, **fields: Any) -> Record:
    place = {"file": f"/scans/{number}.png", "page": 1, "pages": 1, "bytes": 9, "mtime_ns": 8}
    return place | {"prompt": PROMPT, "text": "Größe\n"} | fields


def failure(number: int) -> Record:
    return {k: v for k, v in record(number).items() if k != "text"} | {"error": "ServerError"}


def lines(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_what_was_there_is_known(path: Path) -> None:
    with Journal(path, PROMPT) as journal:
        journal.append(record(1))
        journal.append(failure(2))
    with Journal(path, PROMPT) as journal:
        assert journal.done == {state_key(record(1))}
        assert journal.failed == {state_key(record(2))}
        assert list(journal.records()) == [record(1), failure(2)]


def test_cut_off_anywhere(path: Path) -> None:
    whole = encode(record(1)) + encode(record(2))
    first = len(encode(record(1)))
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        with Journal(path, PROMPT) as journal:
            assert len(journal.done) == (end >= first) + (end >= len(whole))
            journal.append(record(3))
        assert [r["file"] for r in lines(path)][-1] == "/scans/3.png"
        assert len(lines(path)) == len(journal.done)


@pytest.mark.parametrize("tail", [b"\0" * 9, encode(record(2))[:40] + b"\0" * 9])
def test_zeros_at_the_end(path: Path, tail: bytes) -> None:
    path.write_bytes(encode(record(1)) + tail)
    with Journal(path, PROMPT) as journal:
        journal.append(record(3))
    assert lines(path) == [record(1), record(3)]


def test_zeros_in_the_middle(path: Path) -> None:
    path.write_bytes(encode(record(1)) + b"\0" * 99 + b"\n" + encode(record(3)))
    with Journal(path, PROMPT) as journal:
        assert journal.done == {state_key(record(n)) for n in (1, 3)}
    assert lines(path) == [record(1), record(3)]


@pytest.mark.parametrize(
    "content",
    [
        b"Dear diary",
        b'{"a": 1}\n',
        b"[]\n",
        b"7\n",
        b"\n",
        b'{"file": "/a"}\n',
        b"\xff\xfe\n",
        b"{\n",
    ],
)
def test_other_files_are_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="line 1: not a line that"):
        Journal(path, PROMPT)
    assert path.read_bytes() == content


def test_another_prompt(path: Path) -> None:
    path.write_bytes(encode(record(1)))
    with pytest.raises(ConfigurationError, match=r"another prompt \('Read\.'\)"):
        Journal(path, "Read the total.")
    assert path.read_bytes() == encode(record(1))


def test_the_last_line_of_a_page_stays(path: Path) -> None:
    with Journal(path, PROMPT) as journal:
        journal.append(failure(1))
        journal.append(record(2))
    path.chmod(0o640)
    with Journal(path, PROMPT) as journal:
        journal.append(failure(1))
        journal.append(record(1, text="Total"))
        assert len(lines(path)) == 4
    assert lines(path) == [record(2), record(1, text="Total")]
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(path.parent.iterdir()) == [path]


def test_a_changed_file_is_another_state_of_the_same_page(path: Path) -> None:
    with Journal(path, PROMPT) as journal:
        journal.append(record(1))
        assert state_key(record(1, mtime_ns=9)) not in journal.done
        journal.append(record(1, mtime_ns=9))
    assert lines(path) == [record(1, mtime_ns=9)]


def test_a_document_that_lost_a_page(path: Path) -> None:
    pages = [record(1, page=page, pages=3) for page in (1, 2, 3)]
    path.write_bytes(b"".join(map(encode, pages)))
    with Journal(path, PROMPT) as journal:
        journal.append(record(1, page=1, pages=1, mtime_ns=9, error="PDFError"))
    assert [line["page"] for line in lines(path)] == [2, 3, 1]  # damaged: what there was is kept
    with Journal(path, PROMPT) as journal:
        for page in (1, 2):
            journal.append(record(1, page=page, pages=2, mtime_ns=10))
    assert [(line["page"], line["pages"]) for line in lines(path)] == [(1, 2), (2, 2)]


def test_killed_before_lines_were_joined(path: Path) -> None:
    """What a killed process leaves: two lines of a page, and part of a temporary file."""
    path.write_bytes(encode(failure(1)) + encode(record(2)) + encode(record(1)))
    (path.parent / ".out.jsonl.tmp").write_bytes(encode(record(2))[:20])
    with Journal(path, PROMPT) as journal:
        assert lines(path) == [record(2), record(1)]
        assert not journal.failed
    assert list(path.parent.iterdir()) == [path]


def test_one_process_at_a_time(path: Path) -> None:
    with Journal(path, PROMPT) as journal:
        with pytest.raises(ConfigurationError, match="another `qwen-ocr batch` is writing"):
            Journal(path, PROMPT)
        journal.append(failure(1))
        journal.append(record(1))
    with Journal(path, PROMPT) as journal, pytest.raises(ConfigurationError, match="another"):
        Journal(path, PROMPT)


def test_the_lock_follows_the_file(path: Path) -> None:
    """Joining lines puts a new file in the place of the locked one, which must be locked, too."""
    path.write_bytes(encode(failure(1)) + encode(record(1)))
    with Journal(path, PROMPT), pytest.raises(ConfigurationError, match="another"):
        Journal(path, PROMPT)


def test_a_link_stays_a_link(path: Path) -> None:
    link = path.with_name("link.jsonl")
    link.symlink_to(path)
    path.write_bytes(encode(failure(1)) + encode(record(1)))
    Journal(link, PROMPT).close()
    assert link.is_symlink()
    assert lines(path) == [record(1)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("none/out.jsonl", "no such folder"), (".", "a folder"), ("file/out", "a file stands")],
)
def test_no_place_for_it(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=reason):
        Journal(tmp_path / name, PROMPT)


def test_not_a_file() -> None:
    with pytest.raises(ConfigurationError, match="not a regular file"):
        Journal(Path("/dev/full"), PROMPT)


def fill(journal: Journal) -> int:
    """Append until it fails; the number of the first page that was not taken."""
    with pytest.raises(OutputError, match=r"out\.jsonl: cannot be written"):  # noqa: PT012
        for number in range(100_000):
            journal.append(record(number))
    return number


def test_full_disk(full_disk: Path) -> None:
    path = full_disk / "out.jsonl"
    with Journal(path, PROMPT) as journal:
        (full_disk / "ballast").write_bytes(bytes(40_000))
        count = fill(journal)
    assert [r["file"] for r in lines(path)] == [f"/scans/{n}.png" for n in range(count)]
    (full_disk / "ballast").unlink()
    with Journal(path, PROMPT) as journal:
        assert len(journal.done) == count
        journal.append(record(count))
    assert len(lines(path)) == count + 1


def test_no_room_to_join_lines(full_disk: Path) -> None:
    path = full_disk / "out.jsonl"
    (full_disk / "ballast").write_bytes(bytes(20_000))
    journal = Journal(path, PROMPT)
    for number in range(200):
        journal.append(failure(number))
    journal.append(record(0))
    before = path.read_bytes()
    with pytest.raises(OutputError, match="the disk is full"):
        journal.close()
    assert path.read_bytes() == before
    assert {file.name for file in full_disk.iterdir()} == {"out.jsonl", "ballast"}


def test_unwritable_folder(full_disk: Path) -> None:
    path = full_disk / "out.jsonl"
    with Journal(path, PROMPT) as journal:
        journal.append(record(1))
    subprocess.run(["mount", "-o", "remount,ro", str(full_disk)], check=True)
    with pytest.raises(OutputError, match="read-only"):
        Journal(path, PROMPT)
    with pytest.raises(OutputError, match="read-only"):
        Journal(full_disk / "new.jsonl", PROMPT)
    assert lines(path) == [record(1)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_of_somebody_else(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="you may not write there"):
        Journal(tmp_path / "out.jsonl", PROMPT)


def test_largest_file(path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(path, PROMPT) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
        try:
            count = fill(journal)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(lines(path)) == count > 10


def test_memory_of_many_pages(path: Path) -> None:
    """25 thousand pages of 4 KiB each, 100 MB: of each, less than 400 bytes are held."""
    with path.open("wb") as file:
        for number in range(25_000):
            file.write(encode(record(number, text="x" * 4096)))
    before = resident()
    with Journal(path, PROMPT) as journal:
        assert len(journal.done) == 25_000
        assert resident() - before < 10e6


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
