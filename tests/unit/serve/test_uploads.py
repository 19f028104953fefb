"""Documents that are kept for an hour: owners, the quota, the end of the hour, and signatures."""

import time
from pathlib import Path

import pytest

from qwen_ocr_serve.documents.uploads import LIFETIME, UploadError, Uploads


@pytest.fixture
def store(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads", 1000)


def test_a_file_belongs_to_its_owner(store: Uploads) -> None:
    sent = store.add(b"data", "alice", "scan.pdf", "ocr")
    assert store.find(sent.id, "alice") == sent
    assert store.path(sent).read_bytes() == b"data"
    assert store.list("alice") == [sent]
    for other in ("bob", None):
        assert store.find(sent.id, other) is None
        assert store.list(other) == []


def test_the_quota_is_for_all_together(store: Uploads) -> None:
    first = store.add(bytes(600), "alice", "a", "ocr")
    with pytest.raises(UploadError, match="MiB for uploads are taken"):
        store.add(bytes(600), "bob", "b", "ocr")
    store.remove(first)
    assert store.add(bytes(600), "bob", "b", "ocr").size == 600


def test_after_an_hour_nothing_is_left(
    store: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = store.add(b"data", None, "a", "ocr")
    later = time.time() + LIFETIME + 1
    monkeypatch.setattr(time, "time", lambda: later)
    store.remove_expired()
    assert store.find(sent.id, None) is None
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == ["secret"]


def test_a_signature_is_for_one_file_and_for_a_time(store: Uploads) -> None:
    first, second = (store.add(b"data", "alice", name, "ocr") for name in "ab")
    soon = int(time.time()) + 60
    signature = store.sign(first, soon)
    assert store.find_signed(first.id, soon, signature) == first
    assert store.find_signed(second.id, soon, signature) is None
    assert store.find_signed(first.id, soon + 1, signature) is None
    past = int(time.time()) - 1
    assert store.find_signed(first.id, past, store.sign(first, past)) is None


def test_servers_that_share_a_folder_share_files_and_signatures(tmp_path: Path) -> None:
    one, other = Uploads(tmp_path, 1000), Uploads(tmp_path, 1000)
    sent = one.add(b"data", "alice", "a", "ocr")
    soon = int(time.time()) + 60
    assert other.find_signed(sent.id, soon, one.sign(sent, soon)) == sent
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["", "file-", "file-../secret", "../secret", "secret", "file-a/b"])
def test_names_that_lead_elsewhere(store: Uploads, name: str) -> None:
    assert store.find(name, None) is None
