"""From whatever a caller has to what a model can read.

Two steps, both pure, because the second needs to know the model and the first must be able to
refuse a bad image before anything is sent: `load_image` reads and checks, `to_url` fits to a model
family's budget and encodes. Bytes that need nothing are sent as they are.
"""

import base64
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from urllib.parse import unquote, unquote_to_bytes

from PIL import Image, ImageOps, UnidentifiedImageError

from qwen_ocr.errors import ImageError
from qwen_ocr.families import MAX_ASPECT_RATIO, Family

MAX_BYTES = 256 * 2**20
"""Most bytes read for one image, so that an endless file cannot fill the memory."""
MAX_PIXELS = 89_478_485
"""Most pixels decoded: Pillow's line for decompression bombs; A1 at 300 dpi has 70 million."""
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "AVIF")
"""What is opened at all. Not here: formats that start other programs (EPS) or are no images."""
SENT_AS_IS = {"JPEG", "PNG", "WEBP"}
EXIF_ORIENTATION = 0x0112
JPEG_END = b"\xff\xd9"


@runtime_checkable
class BinaryFile(Protocol):
    """Anything with a `read` that returns bytes; read from where it stands to its end."""

    def read(self, size: int, /) -> bytes: ...


@runtime_checkable
class Array(Protocol):
    """A numpy array or its like: (H, W) of uint8, bool, uint16 or float; (H, W, 3|4) of uint8."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


ImageInput = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile | Image.Image | Array
)
"""An image in any form. A string is a path, unless it begins with `http://`, `https://` or `data:`;
the server fetches http(s) URLs itself. A string is never taken for base64."""


@dataclass(frozen=True, slots=True)
class Page:
    """An image that was read and checked, but not yet fitted to a model."""

    name: str
    """What errors call it: its path, or the kind of object that it came from."""
    image: Image.Image
    """Upright, and opaque L or RGB, unless `original` may be sent."""
    format: str
    """JPEG, PNG or WEBP: how the image travels; JPEG stays JPEG, so that a photo stays small."""
    original: bytes | None
    """The bytes that were given, if a model can read them as they are."""


def load_image(source: ImageInput) -> Page | str:
    """Read and check an image; an http(s) URL comes back as it is.

    Of an animation the first frame counts. A TIFF of several pages is refused rather than read
    in part. 16-bit and floating-point pixels are stretched from their darkest and brightest to
    0–255. Raises `ImageError` for what is missing, empty, cut off, too large or no image.
    """
    if isinstance(source, str) and source[:8].lower().startswith(("http://", "https://")):
        return source
    name = _name(source)
    with _image_errors(name):
        if isinstance(source, Image.Image):
            return _prepare(name, source, None)
        if isinstance(source, Array):
            return _prepare(name, Image.fromarray(source), None)
        data = _read(source)
        if not data:
            raise ImageError("empty")
        if len(data) > MAX_BYTES:
            raise ImageError(f"more than {MAX_BYTES >> 20} MiB")
        image = Image.open(BytesIO(data), formats=FORMATS)
        if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
            raise ImageError(
                "a TIFF of several pages; pass them one by one, for instance from "
                "PIL.ImageSequence.Iterator"
            )
        return _prepare(name, image, data)


def to_url(page: Page | str, family: Family, max_tokens: int | None = None) -> str:
    """The URL to send for a loaded image: a `data:` URL of at most `max_tokens` visual tokens.

    Raises `ImageError` for an image too long and thin for any model, and for damage that shows only
    when the pixels are decoded.
    """
    if isinstance(page, str):
        return page
    with _image_errors(page.name):
        size = family.fit(page.image.size, max_tokens)
        if max(size) > MAX_ASPECT_RATIO * min(size):
            raise ImageError(
                f"{size[0]}×{size[1]} pixels is too long and thin; cut it into parts of at most "
                f"{MAX_ASPECT_RATIO}:1"
            )
        if page.original and size == page.image.size:
            return _data_url(page.original, page.format)
        image = page.image if page.original is None else _normalise(page.image)
        if size != image.size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        buffer = BytesIO()
        if page.format == "JPEG":
            image.save(buffer, "JPEG", quality=95, subsampling=0)
            return _data_url(buffer.getvalue(), "JPEG")
        # Speed over size. The profile belongs to the colours before conversion.
        image.save(buffer, "PNG", compress_level=1, icc_profile=None)
        return _data_url(buffer.getvalue(), "PNG")


def _prepare(name: str, image: Image.Image, data: bytes | None) -> Page:
    if 0 in image.size:
        raise ImageError("no pixels")
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(f"{image.width}×{image.height} pixels, more than {MAX_PIXELS}")
    if data is not None and _readable_as_is(image, data):
        _check_whole(image, data)
        return Page(name, image, str(image.format), data)
    target = "JPEG" if image.format in ("JPEG", "MPO") else "PNG"
    return Page(name, _normalise(image), target, None)


def _readable_as_is(image: Image.Image, data: bytes) -> bool:
    # PNG's own `getexif` decodes all pixels to find EXIF behind them: wasted when there is none.
    plain_png = image.format == "PNG" and b"eXIf" not in data
    exif = Image.Image.getexif(image) if plain_png else image.getexif()
    return (
        image.format in SENT_AS_IS
        and not getattr(image, "is_animated", False)
        and image.mode in ("1", "L", "P", "RGB")
        and not image.has_transparency_data
        and exif.get(EXIF_ORIENTATION, 1) == 1
    )


def _check_whole(image: Image.Image, data: bytes) -> None:
    """Raise for bytes that are cut off or damaged, without decoding where that can be avoided."""
    if image.format == "PNG":
        # `verify` compares every checksum, and spoils the object that it is called on.
        Image.open(BytesIO(data), formats=("PNG",)).verify()
    elif not (image.format == "JPEG" and data.endswith(JPEG_END)):
        image.load()


def _normalise(image: Image.Image) -> Image.Image:
    """The image upright, opaque on white, with 8 bits a channel, in mode L or RGB."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    # Pillow would clip at 255 and turn nearly everything white. The stretch is by the values that
    # are there because nothing tells whether 16 bits hold 10, 12 or 16, or floats end at 1 or 255.
    image = image.convert("F")
    extrema: Any = image.getextrema()  # Pillow's type covers images of several channels, too
    low, high = extrema
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ImageError("pixels that are infinite or not numbers")
    scale = 255 / (high - low) if high > low else 0
    offset = -low * scale if scale else 255
    image = image.point(lambda value: value * scale + offset).convert("L")
    # A transparent 16-bit value means nothing any more.
    image.info.pop("transparency", None)
    return image


def _read(source: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str) and source[:5].lower() == "data:":
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


def _read_data_url(url: str) -> bytes:
    head, comma, payload = url.partition(",")
    if not comma:
        raise ImageError("a data: URL without a comma, so without data")
    if head.lower().endswith(";base64"):
        return base64.b64decode(re.sub(r"\s+", "", unquote(payload)), validate=True)
    return unquote_to_bytes(payload)


def _data_url(data: bytes, image_format: str) -> str:
    return f"data:image/{image_format.lower()};base64,{base64.b64encode(data).decode()}"


def _name(source: object) -> str:
    if isinstance(source, str) and source[:5].lower() == "data:":
        return "data: URL"
    if isinstance(source, str | os.PathLike):
        return os.fspath(source) or "(empty path)"
    return str(getattr(source, "name", None) or type(source).__name__)


@contextmanager
def _image_errors(name: str) -> Iterator[None]:
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
