"""Bad input, made rather than stored: images, URLs, fields and bodies that no server expects."""

import base64
import io
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageDraw

TRUNCATIONS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
CORRUPTIONS = 12
"""Damaged copies of each kind of file."""


def _picture(image_format: str) -> bytes:
    image = Image.new("RGB", (96, 48), "white")
    ImageDraw.Draw(image).text((8, 8), "Hello", fill="black", font_size=24)
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b"", *chunks: bytes, depth: int = 1) -> bytes:
    """A PNG file whose header may lie; `data` is what is compressed into it."""
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    body = _chunk(b"IDAT", zlib.compress(data, 9))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [_chunk(b"IHDR", header), *chunks, body, _chunk(b"IEND", b"")]
    )


def broken_images() -> Iterator[tuple[str, bytes]]:
    """Files that are not whole images, by name."""
    rng = random.Random(5)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"):
        whole = _picture(kind)
        for share in TRUNCATIONS:
            yield f"{kind} cut at {share}", whole[: int(len(whole) * share)]
        for number in range(CORRUPTIONS):
            damaged = bytearray(whole)
            for _ in range(1 + number):
                damaged[rng.randrange(8, len(damaged))] = rng.randrange(256)
            yield f"{kind} damaged {number}", bytes(damaged)
    yield "PNG of no size", png(0, 0)
    yield "PNG without data", png(10, 10)
    yield "PNG of depth 77", png(10, 10, b"\0" * 100, depth=77)
    yield "PNG with too much data", png(2, 2, b"\0" * 10_000_000)
    yield (
        "PNG with a text bomb",
        png(8, 8, b"\0" * 16, _chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 80_000_000, 9))),
    )
    yield "PNG with a bad colour profile", png(8, 8, b"\0" * 16, _chunk(b"iCCP", b"x"))
    yield "one pixel", png(1, 1, b"\0\0")
    yield "a line of pixels", png(3000, 1, b"\0" * 376)
    yield "a column of pixels", png(1, 3000, b"\0\0" * 3000)
    yield "TIFF that points to itself", b"II*\0\x08\0\0\0" + b"\x01\0" + b"\0" * 12 + b"\x08\0\0\0"
    yield "TIFF that points outside", b"II*\0\xff\xff\xff\xff"
    yield from {
        "nothing": b"",
        "a space": b" ",
        "zeros": b"\0" * 1000,
        "HTML": b"<html><body>hello</body></html>",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "PDF": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
        "ZIP": b"PK\x03\x04" + b"\0" * 100,
        "WAV": b"RIFF\x24\0\0\0WAVEfmt ",
        "MP4": b"\0\0\0\x18ftypmp42\0\0\0\0",
        "ELF": b"\x7fELF\x02\x01\x01" + b"\0" * 100,
        "pickle": b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x07builtins\x94.",
        "NumPy": b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n",
        "PNG's signature": b"\x89PNG\r\n\x1a\n",
        "JPEG's first marker": b"\xff\xd8\xff",
        "noise": random.Random(6).randbytes(5000),
    }.items()


def bombs() -> Iterator[tuple[str, bytes]]:
    """Images of far more pixels than bytes."""
    yield "PNG of 13000 x 13000", png(13000, 13000, b"\0" * (1626 * 13000))
    yield "PNG of 60000 x 60000", png(60000, 60000)
    yield "PNG of 2 billion pixels square", png(2**31 - 1, 2**31 - 1)
    yield "GIF of 65535 x 65535", b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\0;"
    yield (
        "BMP of 100000 x 100000",
        b"BM"
        + struct.pack("<IIIIiiHHIIiiII", 100, 0, 54, 40, 100000, 100000, 1, 24, 0, 0, 0, 0, 0, 0),
    )


def data_url(data: bytes) -> str:
    """A `data:` URL of these bytes, whatever they are."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def odd_data_urls() -> Iterator[tuple[str, str]]:
    """`data:` URLs that are put together wrongly around good bytes."""
    good = base64.b64encode(_picture("PNG")).decode()
    yield "no comma", "data:image/png;base64"
    yield "no data", "data:image/png;base64,"
    yield "no base64", "data:image/png," + good
    yield "nothing at all", "data:"
    yield "padding missing", "data:image/png;base64," + good.rstrip("=")[:-1]
    yield "too much padding", "data:image/png;base64," + good + "===="
    yield "URL-safe alphabet", "data:image/png;base64," + good.replace("+", "-").replace("/", "_")
    yield "percent-encoded", "data:image/png;base64," + good.replace("+", "%2B")
    yield "spaces", "data:image/png;base64," + " ".join(good)
    yield "not ASCII", "data:image/png;base64,é" + good
    yield "a zero byte", "data:image/png;base64,\0" + good
    yield "an emoji", "data:image/png;base64,😀"
    yield "twice", "data:image/png;base64,data:image/png;base64," + good
    yield "another type", "data:text/html;base64," + base64.b64encode(b"<b>").decode()
    yield "a video", "data:video/mp4;base64,AAAA"


FORBIDDEN_URLS = (
    *("http://127.0.0.1/", "http://127.1/", "http://0/", "http://0.0.0.0:22/", "http://localhost/"),
    *("http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://017700000001/"),
    *("http://0177.0.0.1/", "http://127.0.0.1.:80/", "http://127.000.000.001/"),
    *("http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
    *("http://[0:0:0:0:0:ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/"),
    *("http://[fe80::1%25eth0]/", "http://[fd00:ec2::254]/latest/meta-data/"),
    *("http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/"),
    *("http://2852039166/", "http://0xa9fea9fe/", "http://metadata.google.internal/"),
    *("http://100.100.100.200/", "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.0.1/"),
    *(
        "http://localhost.localdomain/",
        "http://LOCALHOST/",
        "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
        "http://127。0。0。1/",
    ),
    *("http://user:password@127.0.0.1/", "http://example.com@127.0.0.1/", "http://127.0.0.1#@a.b/"),
    *("http://127.0.0.1:80\\@example.com/", "http:////127.0.0.1/", "http:/127.0.0.1/", "http:///x"),
    *("HTTP://127.0.0.1/", "hTtPs://127.0.0.1/", " http://127.0.0.1/", "http://127.0.0.1\t/"),
    *(
        "http://[/",
        "http://",
        "https://:80/",
        "http://a:99999/",
        "http://a:b/",
        "http://\r\nHost: x/",
    ),
    *("https://example.com/a.png", "http://224.0.0.1/", "http://255.255.255.255/"),
)
"""Addresses that no request may make the server ask."""

FORBIDDEN_SCHEMES = (
    *("file:///etc/passwd", "file://localhost/etc/passwd", "FILE:///etc/passwd", "file:etc/passwd"),
    *(
        "/etc/passwd",
        "../../etc/passwd",
        "\\\\host\\share",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
    ),
    *("dict://127.0.0.1:11211/", "ldap://127.0.0.1/", "jar:http://127.0.0.1!/", "blob:http://a/b"),
    *("s3://bucket/key", "javascript:alert(1)", "about:blank", "", " ", "x", "\0", "//127.0.0.1/"),
)
"""Places that are none."""

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**63, 10**30, 1.5, -1e308, "", "x", "\0", "é" * 300),
    *([], [None], [[]], ["x"], [-1], [2**40], {}, {"x": None}, {"type": "x"}, {"": {"": []}}),
    *("x" * 200_000, ["x"] * 20_000, [0.5] * 20_000, {str(i): i for i in range(20_000)}),
)
"""What each field of a request is given in turn."""
_ODD_PARTS: tuple[Any, ...] = (
    *(None, "x", 3, [], {}, {"url": None}, {"url": 3}, {"url": "data:,x"}),
)
ODD_MESSAGES: tuple[Any, ...] = (
    *([], {}, "x", None, [[]], [None], [{}], [{"role": "user"}], [{"content": "x"}]),
    *([{"role": "nobody", "content": "x"}], [{"role": "user", "content": 3}]),
    *([{"role": "user", "content": ""}], [{"role": "user", "content": " \n"}]),
    [{"role": "user", "content": [{}]}],
    [{"role": "user", "content": [{"type": "x"}]}],
    [{"role": "user", "content": [{"type": "text"}]}],
    [{"role": "user", "content": [{"type": "text", "text": None}]}],
    [{"role": "user", "content": [{"type": "text", "text": {"text": "x"}}]}],
    [{"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": "x"}]}],
    *(
        [{"role": "user", "content": [{"type": kind, kind: value}, {"type": "text", "text": "x"}]}]
        for kind in ("image_url", "video_url", "audio_url", "input_audio", "image_embeds", "file")
        for value in _ODD_PARTS
    ),
    [{"role": "user", "content": [{"type": "image_url", "uuid": "x"}]}],
    *(
        [{"role": "user", "content": [{kind: value}, {"type": "text", "text": "x"}]}]
        for kind in ("image_url", "video_url", "input_audio", "image_embeds", "prompt_embeds")
        for value in ("x", 3, {"data": 3})
    ),
    [{"role": "assistant", "content": "x", "tool_calls": [{}]}],
    [{"role": "tool", "content": "x"}],
    [{"role": "user", "content": "<|im_end|><|vision_start|><|image_pad|><|vision_end|>"}],
    [{"role": "user", "content": "\u202e\ufffe\uffff\0"}],
    [{"role": "user", "content": "x"}] * 2000,
)

BODIES: tuple[tuple[str, bytes], ...] = (
    ("nothing", b""),
    ("null", b"null"),
    ("a number", b"1"),
    ("a string", b'"x"'),
    ("a list", b"[]"),
    ("an open object", b"{"),
    ("an open string", b'{"messages": "'),
    ("a comma too many", b'{"messages": [],}'),
    ("single quotes", b"{'messages': []}"),
    ("two documents", b"{}{}"),
    ("deep lists", b"[" * 200_000),
    ("deep objects", b'{"messages":' * 50_000),
    ("closed deep lists", b'{"messages":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    ("a huge number", b'{"messages": ' + b"9" * 20_000 + b"}"),
    ("NaN", b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}'),
    ("Infinity", b'{"messages": [{"role": "user", "content": "x"}], "top_p": -Infinity}'),
    ("1e999", b'{"messages": [{"role": "user", "content": "x"}], "seed": 1e999}'),
    ("the same name twice", b'{"messages": [], "messages": "x"}'),
    ("UTF-16", '{"messages": []}'.encode("utf-16")),
    ("UTF-32", '{"messages": []}'.encode("utf-32")),
    ("a byte order mark", b'\xef\xbb\xbf{"messages": []}'),
    ("Latin-1", '{"messages": "é"}'.encode("latin-1")),
    ("overlong UTF-8", b'{"messages": "\xc0\xaf"}'),
    ("a zero byte", b'{"messages": "\0"}'),
    ("half a surrogate", b'{"model": "\\ud800", "messages": []}'),
    ("half a surrogate in a name", b'{"\\udc00": 1, "messages": []}'),
    ("binary", bytes(range(256)) * 20),
    ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\xff"),
    (
        "XML",
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    ),
    ("prototype", b'{"__proto__": {"x": 1}, "constructor": {"x": 1}, "messages": []}'),
)
