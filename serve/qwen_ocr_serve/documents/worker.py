"""A process that renders and analyses pages, one after the other, until its input ends.

A task is a line of JSON, `{"length", "page", "dpi", "whole"}`, and the document's bytes; `page`
counts from 0, and is null to count the pages. An answer is a line of JSON, `{"analysis",
"page_count", "parts"}` or `{"error"}`, and as many bytes as `parts` says: the pieces of the page as
PNG files, or one for all of it if it is to stay `whole`.

Documents are written by strangers and read by large C and C++ libraries. So this process knows no
secrets, writes no file and has a limit on its memory; `workers` ends it when it takes too long.
"""

import json
import resource
import sys
from io import BytesIO
from math import sqrt
from typing import Any

from PIL import Image, ImageOps

from qwen_ocr.errors import ImageError, OCRError, PDFError
from qwen_ocr.images import MAX_PIXELS, tiff_pages
from qwen_ocr.pdf import PDF
from qwen_ocr.sources import is_pdf
from qwen_ocr_serve.documents.analysis import analyse, turn

MEMORY = 4 * 2**30
"""Bytes of address space, most of it the libraries'."""


class _Document(BytesIO):
    name = "the document"
    """What errors call it."""


def main() -> None:
    """Answer tasks until there are none."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tasks, answers = sys.stdin.buffer, sys.stdout.buffer
    while line := tasks.readline():
        task = json.loads(line)
        parts: list[bytes] = []
        answer: dict[str, Any]
        try:
            data = tasks.read(task["length"])
            if task["page"] is None:
                answer = {"page_count": count_pages(data)}
            else:
                image, count = open_page(data, task["page"], task["dpi"])
                analysis, parts = turn(image) if task["whole"] else analyse(image)
                answer = {"analysis": analysis.as_json(), "page_count": count}
        except OCRError as exc:
            answer = {"error": str(exc)}
        except MemoryError:
            answer = {"error": "the page takes too much memory"}
        answer["parts"] = [len(part) for part in parts]
        answers.write(json.dumps(answer).encode() + b"\n" + b"".join(parts))
        answers.flush()


def count_pages(data: bytes) -> int:
    """How many pages a document has. Raises `PDFError` or `ImageError`."""
    if is_pdf(data):
        with PDF(_Document(data)) as pdf:
            return pdf.page_count
    return open_page(data, 0, 0)[1]


def open_page(data: bytes, number: int, dpi: float) -> tuple[Image.Image, int]:
    """A page of a document, from 0, and how many it has.

    Raises `PDFError` or `ImageError` for what cannot be opened and for a page that is not there.
    """
    if is_pdf(data):
        with PDF(_Document(data)) as pdf:
            if number >= pdf.page_count:
                raise PDFError(f"there is no page {number} in a document of {pdf.page_count}")
            across, down = (max(inches, 1e-3) for inches in pdf.size(number + 1))
            fitting = sqrt(MAX_PIXELS / 4 / across / down)
            return pdf.render(number + 1, min(dpi, fitting)), pdf.page_count
    try:
        pages = list(tiff_pages(_Document(data))) if data[:2] in (b"II", b"MM") else []
        if pages:
            if number >= len(pages):
                raise ImageError(f"there is no page {number} in a document of {len(pages)}")
            return pages[number], len(pages)
        image = Image.open(BytesIO(data))
        if image.width * image.height > MAX_PIXELS:
            raise ImageError(f"the image has more than {MAX_PIXELS:,} pixels")
        upright = ImageOps.exif_transpose(image)
        if upright.mode in ("RGBA", "LA", "P"):
            ground = Image.new("RGBA", upright.size, "white")
            ground.alpha_composite(upright.convert("RGBA"))
            upright = ground.convert("RGB")
        upright.load()
    except OCRError:
        raise
    # Decoders meet broken files with whatever they stumble over.
    except Exception as exc:
        raise ImageError("the image is damaged, cut off, or none") from exc
    if number:
        raise ImageError("an image has one page, number 0")
    return upright, 1


if __name__ == "__main__":
    main()
