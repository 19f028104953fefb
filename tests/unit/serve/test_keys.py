"""Which keys are accepted, and that none is ever shown."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from qwen_ocr_serve.http import keys
from qwen_ocr_serve.http.keys import KeysError, WatchedKeys, load_keys
from qwen_ocr_serve.settings import ServeSettings

SECRET = "s3cret-of-alice"


def settings(keys: str | None = None, path: Path | None = None) -> ServeSettings:
    return ServeSettings(api_keys=SecretStr(keys) if keys else None, api_keys_file=path)


def test_without_keys_none_is_needed() -> None:
    assert not load_keys(settings())


def test_names_of_keys_from_both_sources(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("bob:b:with:colons\n# carol:old\ncarol:new # since May\n\nbob:second\n")
    keys = load_keys(settings(f"alice:{SECRET}, dave:d ,", path))
    owners = {secret: keys.owner(secret) for secret in (SECRET, "d", "b:with:colons", "new")}
    assert owners == {SECRET: "alice", "d": "dave", "b:with:colons": "bob", "new": "carol"}
    assert keys.owner("second") == "bob"
    for wrong in ("", "old", SECRET[:-1], SECRET + "x", "alice", f"alice:{SECRET}"):
        assert keys.owner(wrong) is None


def test_keys_are_in_no_representation() -> None:
    with_keys = settings(f"alice:{SECRET}")
    shown = f"{with_keys!r} {load_keys(with_keys)!r} {with_keys.variables()}"
    assert SECRET not in shown
    assert "alice" not in shown


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (SECRET, "name:secret"),
        (f":{SECRET}", "name:secret"),
        (f"al ice:{SECRET}", "name:secret"),
        (f"{'a' * 65}:{SECRET}", "name:secret"),
        ("alice:", "printable"),
        (f"alice:{SECRET} x", "printable"),
        (f"alice:{SECRET}é", "printable"),
        (f"alice:{SECRET},bob:{SECRET}", "entry 2: another name"),
    ],
)
def test_a_bad_entry_is_named_but_not_quoted(entry: str, problem: str) -> None:
    with pytest.raises(KeysError, match=problem) as caught:
        load_keys(settings(entry))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe"])
def test_a_file_without_keys_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(KeysError, match=str(path)):
        load_keys(settings(path=path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="No such file"):
        load_keys(settings(path=tmp_path / "none"))


def test_a_changed_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_LOOK_EVERY", 0)
    path = tmp_path / "keys"
    path.write_text("alice:one\n")
    watched = WatchedKeys(settings(path=path))
    assert watched.current().owner("one") == "alice"
    path.write_text("bob:two2\n")
    assert watched.current().owner("one") is None
    assert watched.current().owner("two2") == "bob"
    for unusable in ("", "no colon\n"):
        path.write_text(unusable)
        assert watched.current().owner("two2") == "bob"
    path.unlink()
    assert watched.current().owner("two2") == "bob"
