"""Named keys: who a caller is, without a trace of the key itself."""

import hashlib
import hmac
import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from qwen_ocr_serve.settings import ServeSettings

# Below vLLM's own logger, which has the handler and the format.
logger = logging.getLogger("vllm.qwen_ocr.keys")

_LOOK_EVERY = 1.0
"""Seconds."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class KeysError(ValueError):
    """Keys that cannot be used: the message says which and why, and never quotes one."""


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


@dataclass(frozen=True)
class Keys:
    """The keys that open the server. Two of one name let a caller change from one to the other.

    Holds digests, so that no key is ever in a dump of this process's objects.
    """

    _names: dict[bytes, str] = field(repr=False)

    def __bool__(self) -> bool:
        """Whether there is any key, that is, whether one is needed."""
        return bool(self._names)

    def owner(self, secret: str) -> str | None:
        """The name of the key, or `None`. Takes the same time for every secret."""
        given = _digest(secret)
        found = None
        for digest, name in self._names.items():
            if hmac.compare_digest(digest, given):
                found = name
        return found


def load_keys(settings: ServeSettings) -> Keys:
    """The keys of the settings and of the file that they name. Raises `KeysError`."""
    names: dict[bytes, str] = {}
    if settings.api_keys is not None:
        entries = settings.api_keys.get_secret_value().split(",")
        _add(names, "QWEN_OCR_API_KEYS, entry", entries)
    path = settings.api_keys_file
    if path is not None:
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
            raise KeysError(f"cannot read the keys in {path}: {reason}") from None
        before = len(names)
        _add(names, f"{path}, line", [line.partition("#")[0] for line in lines])
        if len(names) == before:
            raise KeysError(f"{path} holds no key: write name:secret, one a line")
    return Keys(names)


class WatchedKeys:
    """The keys, with the changes of their file.

    A file that cannot be used leaves the keys as they were, and the log says why. Raises what
    `load_keys` raises.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._version = self._stat()
        self._keys = load_keys(settings)
        self._looked = time.monotonic()

    def current(self) -> Keys:
        """The keys as they are; a change of the file is seen within a second."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            version = self._stat()
            if version != self._version:
                self._version = version
                self._reload()
        return self._keys

    def _reload(self) -> None:
        try:
            self._keys = load_keys(self._settings)
        except KeysError as exc:
            logger.error("the keys stay as they were: %s", exc)
        else:
            logger.info("the keys have been read again from %s", self._settings.api_keys_file)

    def _stat(self) -> tuple[int, int, int] | None:
        path = self._settings.api_keys_file
        if path is None:
            return None
        try:
            status = path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns


def _add(names: dict[bytes, str], where: str, entries: Iterable[str]) -> None:
    for number, entry in enumerate(entries, 1):
        if not entry.strip():
            continue
        name, colon, secret = (part.strip() for part in entry.partition(":"))
        if not colon or not _NAME.fullmatch(name):
            raise KeysError(
                f"{where} {number}: write name:secret, the name in letters, digits, '.', '_' or '-'"
            )
        # What a header can carry; anything else would be a key that no caller can send.
        if not re.fullmatch(r"[!-~]+", secret):
            raise KeysError(f"{where} {number}: the secret must be printable ASCII without spaces")
        if names.setdefault(_digest(secret), name) != name:
            raise KeysError(f"{where} {number}: another name has the same secret")
