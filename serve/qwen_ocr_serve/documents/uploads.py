"""Documents that callers send once and name later: each has an owner, and is kept for an hour.

A folder may be shared by several servers: each upload is a file with its bytes and one with what is
known about it, written in this order, and the key that signs URLs lies beside them.
"""

import hashlib
import hmac
import secrets
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ValidationError

LIFETIME = 3600
"""Seconds."""
_ID = "file-"
_ABOUT = ".json"
_SECRET = "secret"


class UploadError(Exception):
    """There is no room for an upload."""


class Upload(BaseModel):
    """What is known about an upload."""

    id: str
    owner: str | None
    """Name of the key that it came with; None on a server without keys."""
    filename: str
    purpose: str
    size: int
    """In bytes."""
    created: int
    """Seconds since 1970."""

    @property
    def expires(self) -> int:
        """Seconds since 1970."""
        return self.created + LIFETIME


class Uploads:
    """The uploads in a folder. All methods block, for as long as a disk takes."""

    def __init__(self, folder: Path, quota: int) -> None:
        """`quota` is in bytes, of all uploads together."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._quota = quota
        self._secret = _shared_secret(folder / _SECRET)

    def add(self, data: bytes, owner: str | None, filename: str, purpose: str) -> Upload:
        """Keep an upload. Raises `UploadError` when the quota or the disk is full."""
        used = sum(upload.size for upload in self._all())
        if used + len(data) > self._quota:
            raise UploadError(f"all {self._quota / 2**20:g} MiB for uploads are taken")
        upload = Upload(
            id=_ID + uuid.uuid4().hex,
            owner=owner,
            filename=filename,
            purpose=purpose,
            size=len(data),
            created=int(time.time()),
        )
        path = self._folder / upload.id
        try:
            path.write_bytes(data)
            path.with_suffix(_ABOUT).write_text(upload.model_dump_json(), "utf-8")
        except OSError as exc:
            self.remove(upload)
            raise UploadError(f"the disk takes no more uploads ({exc.strerror})") from exc
        return upload

    def list(self, owner: str | None) -> list[Upload]:
        """The owner's uploads, the oldest first."""
        own = [upload for upload in self._all() if upload.owner == owner]
        return sorted(own, key=lambda upload: upload.created)

    def find(self, upload_id: str, owner: str | None) -> Upload | None:
        """One of the owner's uploads."""
        upload = self._load(upload_id)
        return upload if upload and upload.owner == owner else None

    def path(self, upload: Upload) -> Path:
        """Where its bytes are."""
        return self._folder / upload.id

    def remove(self, upload: Upload) -> None:
        """Delete an upload, whose bytes stay readable for those who have them open."""
        path = self.path(upload)
        for each in (path.with_suffix(_ABOUT), path):
            with suppress(FileNotFoundError):
                each.unlink()

    def remove_expired(self) -> None:
        """Delete what is older than `LIFETIME`."""
        for _ in self._all():
            pass

    def sign(self, upload: Upload, expires: int) -> str:
        """A signature with which anybody may have the upload until then, in seconds since 1970."""
        return hmac.new(self._secret, f"{upload.id} {expires}".encode(), hashlib.sha256).hexdigest()

    def find_signed(self, upload_id: str, expires: int, signature: str) -> Upload | None:
        """The upload for which this signature was made, while it holds."""
        upload = self._load(upload_id)
        if upload is None or expires < time.time():
            return None
        valid = hmac.compare_digest(self.sign(upload, expires).encode(), signature.encode())
        return upload if valid else None

    def _all(self) -> Iterator[Upload]:
        for path in self._folder.glob(f"{_ID}*{_ABOUT}"):
            if upload := self._load(path.stem):
                yield upload

    def _load(self, upload_id: str) -> Upload | None:
        if not upload_id.startswith(_ID) or not upload_id[len(_ID) :].isalnum():
            return None
        about = self._folder / (upload_id + _ABOUT)
        try:
            upload = Upload.model_validate_json(about.read_text("utf-8"))
        except (FileNotFoundError, ValidationError):
            return None
        if upload.expires < time.time():
            self.remove(upload)
            return None
        return upload


def _shared_secret(path: Path) -> bytes:
    """The secret in this file, which the first server writes."""
    with suppress(FileExistsError):
        # Whole or not at all: another server may look at any moment.
        own = path.with_name(f"{_SECRET}-{uuid.uuid4().hex}")
        own.touch(mode=0o600)
        own.write_bytes(secrets.token_bytes(32))
        try:
            path.hardlink_to(own)
        finally:
            own.unlink()
    return path.read_bytes()
