"""From whatever a caller has to what a model can read.

Two steps, both pure, because the second needs to know the model and the first must be able to
refuse a bad image before anything is sent: `load_image` reads and checks, `to_url` fits to a model
family's budget and encodes. Bytes that need nothing are sent as they are.
"""

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol, TypeVar, runtime_checkable

from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from qwen_ocr.errors import ImageError
from qwen_ocr.families import MAX_ASPECT_RATIO, Family
from qwen_ocr.results import ImagePlan
from qwen_ocr.sources import (
    FORMATS,
    PDF_ADVICE,
    Source,
    image_errors,
    is_pdf,
    is_remote,
    name_of,
    read_bytes,
)
from qwen_ocr.type_size import type_height

MAX_PIXELS = 89_478_485
"""Most pixels decoded: Pillow's line for decompression bombs; A1 at 300 dpi has 70 million."""
SENT_AS_IS = {"JPEG", "PNG", "WEBP"}
EXIF_ORIENTATION = 0x0112
JPEG_END = b"\xff\xd9"


@runtime_checkable
class Array(Protocol):
    """A numpy array or its like: (H, W) of uint8, bool, uint16 or float; (H, W, 3|4) of uint8."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


ImageInput = Source | Image.Image | Array
"""An image in any form. A string is a path, unless it begins with `http://`, `https://` or `data:`;
the server fetches http(s) URLs itself. A string is never taken for base64."""

AnyImage = TypeVar("AnyImage", bound=ImageInput)
"""One of these, where what was given comes back."""


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """An image that was read and checked, but not yet fitted to a model."""

    name: str
    """What errors call it: its path, or the kind of object that it came from."""
    image: Image.Image
    """Upright, and opaque L or RGB, unless `original` may be sent."""
    format: str
    """JPEG, PNG or WEBP: how the image travels; JPEG stays JPEG, so that a photo stays small."""
    original: bytes | None
    """The bytes that were given, if a model can read them as they are."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, upright."""
        return self.image.size


def load_image(source: ImageInput) -> LoadedImage | str:
    """Read and check an image; an http(s) URL comes back as it is.

    Of an animation the first frame counts. A TIFF of several pages is refused rather than read
    in part. 16-bit and floating-point pixels are stretched from their darkest and brightest to
    0–255. Raises `ImageError` for what is missing, empty, cut off, too large or no image.
    """
    if is_remote(source):
        return source
    name = name_of(source)
    with image_errors(name):
        if isinstance(source, Image.Image):
            return _prepare(name, source, None)
        if isinstance(source, Array):
            shape: Any = source.__array_interface__["shape"]
            check_size((shape[1] if len(shape) > 1 else 1, shape[0]))
            return _prepare(name, Image.fromarray(source), None)
        data = read_bytes(source)
        try:
            image = Image.open(BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError:
            if is_pdf(data):
                raise ImageError(PDF_ADVICE) from None
            raise
        if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
            raise ImageError("a TIFF of several pages; use read_document or tiff_pages")
        return _prepare(name, image, data)


def tiff_pages(source: Source) -> Iterator[Image.Image]:
    """The pages of a TIFF, decoded one after the other, for `ocr` or `ocr_many`.

    Raises `ImageError` for what is no TIFF, and at a page that is damaged or too large.
    """
    name = name_of(source)
    with image_errors(name):
        tiff = Image.open(BytesIO(read_bytes(source)), formats=("TIFF",))
    frames = iter(ImageSequence.Iterator(tiff))
    while True:
        with image_errors(name):
            frame = next(frames, None)
            if frame is None:
                return
            check_size(frame.size)
            page = frame.copy()
        yield page


def known_size(page: LoadedImage | str) -> LoadedImage:
    """`page`; `ImageError` for a URL, whose image only the server sees."""
    if isinstance(page, str):
        raise ImageError(f"{page}: the size of a remote image is not known here; download it first")
    return page


def sent_size(page: LoadedImage, family: Family, max_tokens: int | None = None) -> tuple[int, int]:
    """Width and height in pixels at which a loaded image will be sent.

    A page for a model that reads blocks of text is sent as it is: the server reads it in pieces.
    Raises `ImageError` for an image too long and thin for any model.
    """
    size = family.fit(page.size, max_tokens)
    if max_tokens is None and not family.reads_pages:
        size = page.size
    if max(size) > MAX_ASPECT_RATIO * min(size):
        raise ImageError(
            f"{page.name}: {size[0]}×{size[1]} pixels is too long and thin; cut it into parts of "
            f"at most {MAX_ASPECT_RATIO}:1"
        )
    return size


def plan_page(page: LoadedImage, family: Family, max_tokens: int | None = None) -> ImagePlan:
    """How a loaded image will be sent, and what it will cost. Raises `ImageError` as `to_url`."""
    size = sent_size(page, family, max_tokens)
    width, height = family.resized(_enlarged_size(page, family, size))
    return ImagePlan(size, width * height // family.factor**2)


def to_url(
    page: LoadedImage | str, family: Family, max_tokens: int | None = None, *, enlarge: bool = False
) -> str:
    """The URL to send for a loaded image: a `data:` URL of at most `max_tokens` visual tokens, as
    many as they are before small type is enlarged.

    Our server enlarges it; `enlarge` is for where no such server reads the image. Raises
    `ImageError` as `sent_size` does, and for damage that shows only when the pixels are decoded.
    """
    if isinstance(page, str):
        return page
    size = sent_size(page, family, max_tokens)
    if enlarge:
        if not family.reads_pages and family.fit(size) != size:
            raise ImageError(
                f"{page.name}: {size[0]}×{size[1]} pixels are more than {family.name} can read "
                f"without our server ({family.budget * family.factor**2:,}): crop it to a block "
                "of text, or use a server"
            )
        size = _enlarged_size(page, family, size)
    with image_errors(page.name):
        if page.original and size == page.size:
            return _data_url(page.original, page.format)
        image = _resized(page, size)
        buffer = BytesIO()
        if page.format == "JPEG":
            image.save(buffer, "JPEG", quality=95, subsampling=0)
            return _data_url(buffer.getvalue(), "JPEG")
        # Speed over size. The profile belongs to the colours before conversion.
        image.save(buffer, "PNG", compress_level=1, icc_profile=None)
        return _data_url(buffer.getvalue(), "PNG")


def _enlarged_size(page: LoadedImage, family: Family, size: tuple[int, int]) -> tuple[int, int]:
    """The size at which the model sees an image sent at `size`, before its processor rounds it."""
    if family.best_type is None:
        return size
    with image_errors(page.name):
        return family.enlarged(size, type_height(_resized(page, size)))


def _resized(page: LoadedImage, size: tuple[int, int]) -> Image.Image:
    image = page.image if page.original is None else _normalise(page.image)
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def check_size(size: tuple[int, int]) -> None:
    """Raise `ImageError` for no pixels and for more than `MAX_PIXELS`, before decoding them."""
    width, height = size
    if 0 in size:
        raise ImageError("no pixels")
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width}×{height} pixels, more than {MAX_PIXELS}")


def _prepare(name: str, image: Image.Image, data: bytes | None) -> LoadedImage:
    check_size(image.size)
    if data is not None and _readable_as_is(image, data):
        _check_whole(image, data)
        return LoadedImage(name, image, str(image.format), data)
    target = "JPEG" if image.format in ("JPEG", "MPO") else "PNG"
    return LoadedImage(name, _normalise(image), target, None)


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


def _data_url(data: bytes, image_format: str) -> str:
    return f"data:image/{image_format.lower()};base64,{base64.b64encode(data).decode()}"
