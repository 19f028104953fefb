"""Every way to hand over an image, every oddity that images have, and everything that is none."""

import base64
import io
import pathlib
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from qwen_ocr import Family, ImageError, family_of
from qwen_ocr.families import FAMILIES, QWEN3_VL
from qwen_ocr.images import load_image, to_url
from qwen_ocr.sources import MAX_BYTES

RED, WHITE = (255, 0, 0), (255, 255, 255)
ORIENTATION = 0x0112


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def sent(source: Any, family: Family = QWEN3_VL, max_tokens: int | None = None) -> bytes:
    """The bytes that would reach the server."""
    head, payload = to_url(load_image(source), family, max_tokens).split(",")
    data = base64.b64decode(payload)
    assert head == f"data:image/{str(Image.open(io.BytesIO(data)).format).lower()};base64"
    return data


def shown(source: Any, **options: Any) -> Image.Image:
    return Image.open(io.BytesIO(sent(source, **options)))


def halves(mode: str = "RGB", left: Any = RED, right: Any = WHITE) -> Image.Image:
    """64 × 32 pixels, the left half in one colour and the right half in another."""
    image = Image.new(mode, (64, 32), right)
    image.paste(left, (0, 0, 32, 32))
    return image


def colours(image: Image.Image) -> list[tuple[int, ...]]:
    """A pixel well inside each half."""
    rgb = image.convert("RGB")
    return [tuple(rgb.getpixel((x, 16))) for x in (8, 56)]  # type: ignore[arg-type]


def rotated_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be of any size."""
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(b"")
    chunks = b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
        for c in (ihdr, idat, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


PNG = encoded(halves(), "PNG")
JPEG = encoded(halves(), "JPEG")
WEBP = encoded(halves(), "WEBP")

UNTOUCHED = {
    "png": PNG,
    "jpeg": JPEG,
    "webp": WEBP,
    "grey png": encoded(halves("L", 0, 255), "PNG"),
    "1-bit png": encoded(halves("1", 0, 1), "PNG"),
    "palette png": encoded(halves().quantize(4), "PNG"),
    "progressive jpeg": encoded(halves(), "JPEG", progressive=True),
    "jpeg that is upright by its EXIF": encoded(halves(), "JPEG", exif=rotated_exif(1)),
    "jpeg with bytes after its end": JPEG + b"\0" * 64,
    "jpeg with broken EXIF": JPEG[:2] + b"\xff\xe1\x00\x10Exif\0\0garbage!" + JPEG[2:],
    "exactly the budget": encoded(Image.new("L", (2048, 1024)), "PNG"),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_untouched(name: str) -> None:
    assert sent(UNTOUCHED[name]) == UNTOUCHED[name]


@pytest.mark.parametrize("kind", ["str", "Path", "bytearray", "memoryview", "file", "data URL"])
def test_inputs_of_the_same_bytes(kind: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "scan.png"
    path.write_bytes(PNG)
    payload = base64.encodebytes(PNG).decode()  # with line breaks
    source: Any = {
        "str": str(path),
        "Path": path,
        "bytearray": bytearray(PNG),
        "memoryview": memoryview(PNG),
        "file": io.BytesIO(PNG),
        "data URL": f"DATA:image/png;base64,{payload}",
    }[kind]
    assert sent(source) == PNG


def test_percent_encoded_data_url() -> None:
    url = "data:image/png," + "".join(f"%{byte:02x}" for byte in PNG)
    assert sent(url) == PNG


@pytest.mark.parametrize("url", ["https://example.com/a.png", "HTTP://localhost/%F0?x=1#y"])
def test_remote_url_is_passed_through(url: str) -> None:
    assert to_url(load_image(url), QWEN3_VL) == url


def test_mode_of_every_other_kind() -> None:
    assert shown(Image.new("L", (8, 8))).mode == "L"
    assert shown(Image.new("1", (8, 8))).mode == "L"
    assert shown(Image.new("P", (8, 8))).mode == "RGB"


BLANK = (0, 0, 0, 0)
CONVERTED: dict[str, Any] = {
    "PIL image": halves(),
    "numpy RGB": np.asarray(halves()),
    "numpy RGBA": np.asarray(halves("RGBA", (*RED, 255), BLANK)),
    "transparent PNG": encoded(halves("RGBA", (*RED, 255), BLANK), "PNG"),
    "transparent WebP": encoded(halves("RGBA", (*RED, 255), BLANK), "WEBP", lossless=True),
    "transparent colour": encoded(halves("RGB", RED, (0, 0, 9)), "PNG", transparency=(0, 0, 9)),
    "transparent palette": encoded(
        halves("RGBA", (*RED, 255), BLANK).quantize(4), "PNG", optimize=True
    ),
    "CMYK JPEG": encoded(halves().convert("CMYK"), "JPEG", quality=100),
    "CMYK TIFF": encoded(halves().convert("CMYK"), "TIFF"),
    "BMP": encoded(halves(), "BMP"),
    "GIF": encoded(halves(), "GIF"),
    "PPM": encoded(halves(), "PPM"),
    "TIFF": encoded(halves(), "TIFF", compression="tiff_lzw"),
    "JPEG 2000": encoded(halves(), "JPEG2000"),
    "AVIF": encoded(halves(), "AVIF", quality=100),
    "LAB": halves("LAB", (138, 209, 195), (255, 128, 128)),
    "animated GIF": encoded(
        halves(), "GIF", save_all=True, append_images=[Image.new("RGB", (64, 32), "blue")]
    ),
    "animated PNG": encoded(
        halves(), "PNG", save_all=True, append_images=[Image.new("RGB", (64, 32), "blue")]
    ),
    "animated WebP": encoded(
        halves(),
        "WEBP",
        lossless=True,
        save_all=True,
        append_images=[Image.new("RGB", (64, 32), "blue")],
    ),
    "turned JPEG": encoded(halves().rotate(180), "JPEG", exif=rotated_exif(3)),
    "mirrored PNG": encoded(
        halves().transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG", exif=rotated_exif(2)
    ),
    "JPEG on its side": encoded(
        halves().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=rotated_exif(6)
    ),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_converted(name: str) -> None:
    image = shown(CONVERTED[name])
    assert image.size == (64, 32)
    assert image.mode == "RGB"
    assert not getattr(image, "is_animated", False)
    assert ORIENTATION not in image.getexif()
    assert np.abs(np.subtract(colours(image), [RED, WHITE])).max() <= 16


GREY: dict[str, Any] = {
    "transparent grey": encoded(halves("LA", (0, 255), (0, 0)), "PNG"),
    "16-bit PNG": encoded(
        Image.fromarray(np.asarray(halves("L", 0, 255)).astype("u2") * 16), "PNG"
    ),
    "16-bit TIFF": encoded(
        Image.fromarray(np.asarray(halves("L", 0, 255)).astype("u2") * 257), "TIFF"
    ),
    "32-bit": halves("I", -70000, 70000),
    "uint16": np.asarray(halves("L", 0, 255)).astype("u2") + 300,
    "float": np.asarray(halves("L", 0, 255)).astype("f4") / 255,
    "bool": np.asarray(halves("L", 0, 255)) > 128,
}


@pytest.mark.parametrize("name", GREY)
def test_grey(name: str) -> None:
    assert colours(shown(GREY[name])) == [(0, 0, 0), WHITE]


def test_blank_16_bit_page_is_white() -> None:
    assert shown(np.full((8, 8), 4095, "u2")).getextrema() == (255, 255)


def test_callers_image_is_not_changed() -> None:
    image = halves("RGBA", (*RED, 255), BLANK)
    before = image.tobytes()
    sent(image, max_tokens=4)
    assert (image.mode, image.size, image.tobytes()) == ("RGBA", (64, 32), before)


def test_pages_of_a_tiff_can_be_passed_one_by_one() -> None:
    pages = [Image.new("RGB", (64, 32), colour) for colour in ("red", "white")]
    tiff = Image.open(io.BytesIO(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])))
    read = [colours(shown(page))[0] for page in ImageSequence.Iterator(tiff)]
    assert read == [RED, WHITE]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize(
    "size", [(1, 1), (640, 480), (2480, 3508), (3508, 2480), (9000, 50), (33, 6000), (5000, 5000)]
)
@pytest.mark.parametrize("max_tokens", [None, 1, 100, 10**6])
def test_fit_size(family: Family, size: tuple[int, int], max_tokens: int | None) -> None:
    width, height = family.fit(size, max_tokens)
    tokens = round(width / family.factor) * round(height / family.factor)
    if (width, height) != size:
        assert width % family.factor == height % family.factor == 0
    if tokens > max(family.min_tokens, min(max_tokens or family.budget, family.max_tokens)):
        # Only a strip, which cannot get thinner than the factor.
        assert min(width, height) == family.factor
    else:
        assert family.fit((width, height), max_tokens) == (width, height)


def test_large_photo_is_shrunk_and_stays_jpeg() -> None:
    photo = encoded(Image.new("RGB", (2400, 1800), "red"), "JPEG")
    image = shown(photo)
    assert image.format == "JPEG"
    assert image.size == (1664, 1248)
    assert shown(encoded(Image.new("L", (2400, 1800)), "PNG")).format == "PNG"
    assert shown(encoded(Image.new("L", (2400, 1800)), "WEBP")).format == "PNG"


def test_a_page_goes_as_it_is_to_the_server_of_a_model_that_reads_blocks() -> None:
    page = encoded(Image.new("L", (1240, 1754), 255), "PNG")  # A4 at 150 dpi
    mini = family_of("mini")
    assert sent(page, mini) == page
    shrunk = Image.open(io.BytesIO(sent(page, mini, max_tokens=2048)))
    assert 0.95 * 2048 * 16**2 < shrunk.width * shrunk.height <= 2048 * 16**2
    with pytest.raises(ImageError, match=r"1240×1754 .* without our server"):
        to_url(load_image(page), mini, enlarge=True)


@pytest.mark.parametrize(
    ("model", "factor"),
    [
        ("mini", 16),
        ("/models/mini", 16),
        ("gpt-4o-minimal", 32),
        ("Qwen/Qwen2-VL-7B-Instruct", 28),
        ("Qwen/Qwen2.5-VL-72B-Instruct", 28),
        ("Qwen/Qwen3-VL-8B-Instruct-FP8", 32),
        ("Qwen/Qwen3.5-0.8B", 32),
        ("something-else", 32),
    ],
)
def test_family(model: str, factor: int) -> None:
    assert family_of(model).factor == factor


def closed_image() -> Image.Image:
    image = Image.open(io.BytesIO(PNG))
    image.close()
    return image


def closed_file() -> io.BytesIO:
    file = io.BytesIO(PNG)
    file.close()
    return file


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


BAD: dict[str, tuple[Any, str]] = {
    "missing file": ("/nowhere/scan.png", r"/nowhere/scan\.png: No such file"),
    "directory": ("/", "Is a directory"),
    "empty path": ("", "empty path"),
    "null in a path": ("a\0b", "null"),
    "base64 without data:": (base64.b64encode(PNG).decode(), "No such file|name too long"),
    "empty bytes": (b"", "empty"),
    "read to its end": (io.BytesIO(), "empty"),
    "text": (b"Dear Sir or Madam", "not an image in a known format"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "known format"),
    "PDF": (b"%PDF-1.7\n", "bytes: a PDF, not an image: .* read_document"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "known format"),
    "only a signature": (PNG[:8], "bytes: "),
    "cut PNG": (cut(PNG), "bytes: "),
    "PNG without its end": (PNG[:-12], "bytes: "),
    "damaged PNG": (PNG.replace(b"IDAT", b"IDAT\x01", 1)[: len(PNG)], "bytes: "),
    "cut JPEG": (cut(JPEG), "bytes: "),
    "JPEG without its end": (JPEG[:-2], "bytes: "),
    "cut WebP": (cut(WEBP), "bytes: "),
    "cut GIF": (cut(encoded(halves(), "GIF")), "bytes: "),
    "cut TIFF": (cut(encoded(halves(), "TIFF")), "bytes: "),
    "cut BMP": (cut(encoded(halves(), "BMP")), "bytes: "),
    "bomb": (png_header(60000, 60000), "pixels"),
    "small bomb": (png_header(12000, 12000), "pixels"),
    "no pixels": (png_header(0, 10), "bytes: "),
    "several pages": (
        encoded(halves(), "TIFF", save_all=True, append_images=[halves()]),
        "several pages",
    ),
    "more bytes than any image": (bytes(MAX_BYTES + 1), "MiB"),
    "endless file": ("/dev/zero", "MiB"),
    "data URL without data": ("data:image/png;base64", "comma"),
    "data URL of nothing": ("data:image/png;base64,", "empty"),
    "bad base64": ("data:image/png;base64,@@@@", "base64"),
    "cut base64": ("data:image/png;base64,iVBORw0KGgo", "data: URL: "),
    "file opened as text": (io.StringIO("text"), "mode 'rb'"),
    "None": (None, "not an image"),
    "number": (7, "not an image"),
    "list": ([PNG], "not an image"),
    "empty array": (np.zeros((0, 8, 3), "u1"), "no pixels"),
    "array of int64": (np.zeros((8, 8), "i8"), "ndarray: "),
    "array of five channels": (np.zeros((8, 8, 5), "u1"), "ndarray: "),
    "array of not-a-numbers": (np.full((8, 8), np.nan, "f4"), "not numbers"),
    "empty PIL image": (Image.new("L", (0, 0)), "no pixels"),
    "closed PIL image": (closed_image(), "PngImageFile: "),
    "closed file": (closed_file(), "closed file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_image(name: str) -> None:
    source, message = BAD[name]
    with pytest.raises(ImageError, match=message):
        load_image(source)


@pytest.mark.parametrize("size", [(4020, 20), (20, 4020), (60000, 250)])
def test_too_long_and_thin(size: tuple[int, int]) -> None:
    page = load_image(encoded(Image.new("L", size), "PNG"))
    with pytest.raises(ImageError, match="too long and thin"):
        to_url(page, QWEN3_VL)


def test_damage_that_only_decoding_shows() -> None:
    page = load_image(png_header(4000, 3000))
    with pytest.raises(ImageError, match="bytes: "):
        to_url(page, QWEN3_VL)


def test_error_names_the_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "letter.png"
    path.write_text("Dear Sir or Madam")
    with pytest.raises(ImageError, match=r"letter\.png: not an image"):
        load_image(path)
    with path.open("rb") as file, pytest.raises(ImageError, match=r"letter\.png: not an image"):
        load_image(file)
