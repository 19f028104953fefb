"""Documents of several pages: PDF and TIFF."""

import hashlib
import io
import sys
from typing import Any

import pikepdf
import pypdfium2
import pytest
from PIL import Image, TiffImagePlugin

from qwen_ocr import ConfigurationError, ImageError, PDFError, tiff_pages
from qwen_ocr.images import MAX_PIXELS, known_size, load_image
from qwen_ocr.page_ranges import page_numbers
from qwen_ocr.pdf import PDF, check_dpi


def blank_pdf(*sizes: tuple[float, float]) -> bytes:
    """A PDF with a page of each size, in points."""
    document = pypdfium2.PdfDocument.new()
    for width, height in sizes:
        document.new_page(width, height)
    buffer = io.BytesIO()
    document.save(buffer)
    document.close()
    return buffer.getvalue()


A4 = (595.0, 842.0)
PAGES = blank_pdf(*[A4] * 3)


def rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    out = bytearray()
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def encrypted_pdf(password: str) -> bytes:
    """A blank page under PDF 1.4's standard security handler, revision 2: RC4 with 40 bits."""
    padding = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
    padded = (password.encode() + padding)[:32]
    owner = rc4(hashlib.md5(padded).digest()[:5], padded)
    permissions, identity = -4, b"0123456789abcdef"
    key = hashlib.md5(padded + owner + permissions.to_bytes(4, "little", signed=True) + identity)
    user = rc4(key.digest()[:5], padding)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] >>",
        b"<< /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P %d >>"
        % (owner.hex().encode(), user.hex().encode(), permissions),
    ]
    body = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"<< /Size 5 /Root 1 0 R /Encrypt 4 0 R /ID [<%s> <%s>] >>" % (
        identity.hex().encode(),
        identity.hex().encode(),
    )
    return body + b"xref\n0 5\n0000000000 65535 f \n%strailer\n%s\nstartxref\n%d\n%%%%EOF" % (
        table,
        trailer,
        len(body),
    )


def test_page_that_cannot_be_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    # PDFium is lenient: nothing that it opens at all was found to fail later.
    def fail(page: Any, **options: Any) -> Any:
        raise pypdfium2.PdfiumError("damaged")

    monkeypatch.setattr(pypdfium2.PdfPage, "render", fail)
    with PDF(PAGES) as pdf, pytest.raises(PDFError, match="page 2: cannot be rendered"):
        pdf.render(2, 72)


def test_resolution() -> None:
    with PDF(PAGES) as pdf:
        assert pdf.render(1, 72).size == (595, 842)
        assert pdf.render(1, 144).size == (1190, 1684)


def test_huge_pages_are_shrunk_before_they_fill_the_memory() -> None:
    with PDF(blank_pdf((14400, 14400))) as pdf:
        width, height = pdf.render(1, 1200).size
    assert MAX_PIXELS * 0.9 < width * height <= MAX_PIXELS


@pytest.mark.parametrize(
    ("pages", "numbers"),
    [
        (None, [1, 2, 3, 4, 5]),
        ("2", [2]),
        ("1-3", [1, 2, 3]),
        (" 4 - , 1 ", [4, 5, 1]),
        ("5,5", [5, 5]),
        ([3, 1], [3, 1]),
        (range(1, 3), [1, 2]),
    ],
)
def test_page_numbers(pages: Any, numbers: list[int]) -> None:
    assert page_numbers(pages, 5) == numbers


@pytest.mark.parametrize(
    "pages",
    ["", "0", "6", "1-6", "3-1", "a", "1,,2", "-2", "1-2-3", "٣", "9" * 99, [0], [6], ["1"], [],
     [1.0], [True, 9], 5, object()],
)  # fmt: skip
def test_bad_page_numbers(pages: Any) -> None:
    with pytest.raises(ConfigurationError, match="pages"):
        page_numbers(pages, 5)


@pytest.mark.parametrize("dpi", [0, 17, 1201, -72, float("nan"), float("inf"), "200", None])
def test_bad_resolution(dpi: Any) -> None:
    with pytest.raises(ConfigurationError, match="dpi"):
        check_dpi(dpi)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/nowhere/scan.pdf", r"/nowhere/scan\.pdf: No such file"),
        (b"", "empty"),
        (b"no PDF", "cannot be opened as a PDF"),
        (PAGES[:60], "cannot be opened as a PDF"),
        (None, "not an image, a path or an open file"),
    ],
)
def test_bad_pdf(source: Any, message: str) -> None:
    with pytest.raises(PDFError, match=message):
        PDF(source)


def test_a_pdf_without_pages() -> None:
    empty = io.BytesIO()
    pikepdf.new().save(empty)
    # PDFium says nothing about it, and leaves what it said about another file before.
    with pytest.raises(PDFError, match=r"cannot be opened as a PDF") as caught:
        PDF(empty.getvalue())
    assert "Success" not in str(caught.value)


def test_password() -> None:
    data = encrypted_pdf("open sesame")
    assert PDF(data, "open sesame").page_count == 1
    for wrong in (None, "", "sesame"):
        with pytest.raises(PDFError, match="password") as caught:
            PDF(data, wrong)
        assert caught.value.code == "wrong_password"


def test_without_pypdfium2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'qwen-ocr\[pdf\]'"):
        PDF(PAGES)


def tiff(*pages: Image.Image) -> bytes:
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


def test_tiff_pages() -> None:
    pages = [Image.new("RGB", (64, 32), colour) for colour in ("red", "white", "blue")]
    read = list(tiff_pages(tiff(*pages)))
    assert [page.tobytes() for page in read] == [page.tobytes() for page in pages]


def test_tiff_pages_are_upright() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x0112] = 6
    buffer = io.BytesIO()
    pages = [Image.new("RGB", (64, 32), colour) for colour in ("red", "blue")]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:], tiffinfo=tags)
    assert [known_size(load_image(page)).size for page in tiff_pages(buffer.getvalue())] == [
        (32, 64)
    ] * 2


def test_tiff_pages_are_read(server: Any, call: Any) -> None:
    pages = tiff_pages(tiff(Image.new("1", (64, 32)), Image.new("L", (64, 32))))
    assert len(call(server.url, "ocr_many", pages)) == 2


@pytest.mark.parametrize("source", [b"", b"no TIFF", "/nowhere.tif", None])
def test_no_tiff(source: Any) -> None:
    with pytest.raises(ImageError):
        list(tiff_pages(source))


def test_damage_after_the_first_page() -> None:
    data = tiff(Image.effect_noise((64, 64), 50), Image.effect_noise((64, 64), 50))
    pages = tiff_pages(data[:-2000])
    with pytest.raises(ImageError, match="bytes: "):
        list(pages)
