"""What must never reach a server, nor hang, nor surface as anything but its typed error."""

import base64
import io
import os
import struct
import threading
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel

from qwen_ocr import ConfigurationError, ImageError, OCRError, PromptError, Task
from qwen_ocr.sources import MAX_BYTES


class Form(BaseModel):
    total: float


class Vague(BaseModel):
    """No JSON schema says what this field takes."""

    model_config = {"arbitrary_types_allowed": True}
    lock: threading.Event


class Endless:
    """A file that never ends."""

    def read(self, size: int) -> bytes:
        return bytes(size)


class Broken:
    """A file on a disk that fails."""

    def read(self, size: int) -> bytes:
        raise OSError(5, "Input/output error")


class Lying:
    """Says that it is an array."""

    __array_interface__ = {"shape": (10**6, 10**6, 3), "typestr": "|u1", "version": 3}  # noqa: RUF012


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, *more: bytes) -> bytes:
    """A PNG of a few bytes that claims to be of any size."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IEND", b"")


SCAN = Image.effect_noise((64, 64), 50)
PNG, JPEG = encoded(SCAN, "PNG"), encoded(SCAN, "JPEG")
FLIPPED = bytearray(PNG)
FLIPPED[len(PNG) // 2] ^= 255

IMAGES: dict[str, Any] = {
    "nothing": b"",
    "None": None,
    "a number": 5,
    "a dictionary": {"image": PNG},
    "a list of images": [PNG],
    "a class": Image.Image,
    "text": b"Dear Sir or Madam",
    "a web page": b"<!DOCTYPE html><title>404</title>",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "PDF": b"%PDF-1.7\n%%EOF",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(rm -rf) run\n",
    "ZIP": b"PK\x03\x04" + bytes(64),
    "signature only": PNG[:8],
    "PNG cut in half": PNG[: len(PNG) // 2],
    "PNG with a flipped byte": bytes(FLIPPED),
    "PNG without data": png_of(8, 8),
    "PNG of no pixels": png_of(0, 8),
    "PNG bomb": png_of(60000, 60000),
    "PNG with 2³¹ pixels a side": png_of(2**31 - 1, 2**31 - 1),
    "compressed text bomb": png_of(
        8, 8, *[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**6)))] * 80
    ),
    "JPEG cut in half": JPEG[: len(JPEG) // 2],
    "JPEG signature and noise": JPEG[:20] + os.urandom(64),
    "GIF cut": encoded(SCAN, "GIF")[:900],
    "WebP cut": encoded(SCAN, "WEBP")[:200],
    "BMP cut": encoded(SCAN, "BMP")[:2000],
    "TIFF cut": encoded(SCAN, "TIFF")[:2000],
    "TIFF of several pages": encoded(SCAN, "TIFF", save_all=True, append_images=[SCAN]),
    "too long and thin": Image.new("1", (40000, 20)),
    "empty image": Image.new("L", (0, 5)),
    "array of no pixels": np.zeros((0, 0), "u1"),
    "array of strings": np.array([["a"]]),
    "array of five dimensions": np.zeros((2, 2, 2, 2, 3), "u1"),
    "array of infinities": np.full((8, 8), np.inf, "f4"),
    "array of complex numbers": np.zeros((8, 8), "c8"),
    "lying array": Lying(),
    "no such file": "/nowhere/scan.png",
    "a directory": "/",
    "a device without end": "/dev/zero",
    "an empty device": "/dev/null",
    "memory that is not ours": "/proc/self/mem",
    "a null in the path": "a\0b.png",
    "half a surrogate in the path": "\ud800.png",
    "a path of 5000 letters": "a" * 5000,
    "file: URL": "file:///etc/passwd",
    "ftp: URL": "ftp://example.com/a.png",
    "base64 without data:": base64.b64encode(PNG).decode(),
    "data: URL without comma": "data:image/png;base64",
    "data: URL of nothing": "data:,",
    "data: URL, bad base64": "data:image/png;base64,***",
    "data: URL, cut base64": "data:image/png;base64," + base64.b64encode(PNG).decode()[:101],
    "data: URL of text": "data:text/plain,hello",
    "file of text": io.StringIO("text"),
    "file without end": Endless(),
    "file on a broken disk": Broken(),
    "bytes above the limit": bytes(MAX_BYTES + 1),
}

GOOD = Image.new("L", (64, 64), 255)
ARGUMENTS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], type[OCRError]]] = {
    "empty prompt": ("ocr", (GOOD, ""), {}, PromptError),
    "blank prompt": ("ocr", (GOOD, " \n\t\u3000"), {}, PromptError),
    "no prompt": ("ocr", (GOOD, None), {}, PromptError),
    "bytes as prompt": ("ocr", (GOOD, b"Read"), {}, PromptError),
    "the class of tasks": ("ocr", (GOOD, Task), {}, PromptError),
    "half a surrogate in the prompt": ("ocr", (GOOD, "Read \udfff"), {}, PromptError),
    "no tokens": ("ocr", (GOOD,), {"max_tokens": 0}, ConfigurationError),
    "negative tokens": ("stream", (GOOD,), {"max_tokens": -1}, ConfigurationError),
    "half a token": ("ocr", (GOOD,), {"max_tokens": 1.5}, ConfigurationError),
    "tokens in words": ("extract", (GOOD, Form), {"max_tokens": "ten"}, ConfigurationError),
    "a yes for tokens": ("locate", (GOOD,), {"max_tokens": True}, ConfigurationError),
    "misspelt option": ("ocr", (GOOD,), {"max_token": 5}, ConfigurationError),
    "a dictionary as form": ("extract", (GOOD, {"total": 1.0}), {}, ConfigurationError),
    "a class without schema": ("extract", (GOOD, Vague), {}, ConfigurationError),
    "blank prompt for a form": ("extract", (GOOD, Form, " "), {}, PromptError),
    "bad image for a form": ("extract", (b"", Form), {}, ImageError),
    "bad image to locate in": ("locate", (b"",), {}, ImageError),
    "bad image to plan": ("plan", (b"",), {}, ImageError),
    "one path for many": ("ocr_many", ("scan.png",), {}, ConfigurationError),
    "nothing for many": ("ocr_many", (None,), {}, ConfigurationError),
    "no concurrency": ("ocr_many", ([GOOD],), {"concurrency": 0}, ConfigurationError),
    "no document": ("read_document", (None,), {}, ImageError),
    "text opened as text": ("read_document", (io.StringIO("x"),), {}, ImageError),
}


@pytest.mark.usefixtures("within")
@pytest.mark.parametrize("name", IMAGES)
def test_image(server: Any, call: Any, name: str) -> None:
    with pytest.raises(ImageError):
        call(server.url, "ocr", IMAGES[name])
    assert server.chats == []


@pytest.mark.usefixtures("within")
@pytest.mark.parametrize("name", ARGUMENTS)
def test_argument(server: Any, call: Any, name: str) -> None:
    method, arguments, options, error = ARGUMENTS[name]
    with pytest.raises(OCRError) as caught:
        call(server.url, method, *arguments, **options)
    assert type(caught.value) is error
    assert server.requests == []
