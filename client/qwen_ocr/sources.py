"""Bytes from whatever a caller has, and the error that names it when they are no good."""

import base64
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeGuard, runtime_checkable
from urllib.parse import unquote, unquote_to_bytes

from PIL import UnidentifiedImageError

from qwen_ocr.errors import ImageError

MAX_BYTES = 256 * 2**20
"""Most bytes read for one image or document, so that an endless file cannot fill the memory."""
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "AVIF")
"""What is opened at all. Not here: formats that start other programs (EPS) or are no images."""
PDF_ADVICE = (
    "a PDF, not an image: read it with `qwen-ocr read`, or read_document of the Python client"
)
"""What to say to somebody who sends a PDF where an image belongs."""
_PDF_MARK = b"%PDF-"
PDF_MARK_WITHIN = 1024
"""A PDF's first bytes may be preceded by others; readers look for the mark in so many."""


@runtime_checkable
class BinaryFile(Protocol):
    """Anything with a `read` that returns bytes; read from where it stands to its end."""

    def read(self, size: int, /) -> bytes: ...


Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile
"""A path, a `data:` URL, bytes, or a file opened for reading bytes."""


def is_remote(source: object) -> TypeGuard[str]:
    """Whether a source is a URL of the web, which the server fetches."""
    return isinstance(source, str) and source[:8].lower().startswith(("http://", "https://"))


def is_pdf(data: bytes) -> bool:
    """Whether a file that begins with these bytes is a PDF."""
    return _PDF_MARK in data[:PDF_MARK_WITHIN]


def read_bytes(source: Source) -> bytes:
    """What is in `source`, at least one byte; `ImageError` or what reading raises otherwise."""
    data = _read(source)
    if not data:
        raise ImageError("empty")
    if len(data) > MAX_BYTES:
        raise ImageError(f"more than {MAX_BYTES >> 20} MiB")
    return data


def _read(source: Source) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if _is_data_url(source):
        return _read_data_url(source)
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    if not isinstance(source, BinaryFile):
        raise ImageError("not an image, a path or an open file")
    data = source.read(MAX_BYTES + 1)
    if not isinstance(data, bytes):
        raise ImageError("opened as text; open it with mode 'rb'")
    return data


def _is_data_url(source: object) -> TypeGuard[str]:
    return isinstance(source, str) and source[:5].lower() == "data:"


def _read_data_url(url: str) -> bytes:
    head, comma, payload = url.partition(",")
    if not comma:
        raise ImageError("a data: URL without a comma, so without data")
    if head.lower().endswith(";base64"):
        return base64.b64decode(re.sub(r"\s+", "", unquote(payload)), validate=True)
    return unquote_to_bytes(payload)


def name_of(source: object) -> str:
    """What errors call it: a path, or the kind of object that it is."""
    if _is_data_url(source):
        return "data: URL"
    if isinstance(source, str | os.PathLike):
        return os.fspath(source) or "(empty path)"
    return str(getattr(source, "name", None) or type(source).__name__)


@contextmanager
def image_errors(name: str) -> Iterator[None]:
    """Turn whatever reading and decoding raise into an `ImageError` that begins with the name."""
    try:
        yield
    except ImageError as exc:
        raise ImageError(f"{name}: {exc}") from None
    except UnidentifiedImageError as exc:
        raise ImageError(f"{name}: not an image in a known format ({', '.join(FORMATS)})") from exc
    except OSError as exc:
        raise ImageError(f"{name}: {exc.strerror or exc}") from exc
    except Exception as exc:  # malformed data makes Pillow raise nearly anything
        raise ImageError(f"{name}: cannot be read as an image ({exc})") from exc
