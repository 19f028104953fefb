"""A program that renders one page: a PDF on standard input, its page as a PNG on standard output.

Arguments: the page's number from 1, dots per inch, pixels across at most, seconds. Before the PNG
goes a line with the number of pages. A PDF that cannot be rendered ends it with the exit code
`FAILED` and the reason on standard error.
"""

import resource
import sys
from io import BytesIO
from math import ceil, sqrt

from qwen_ocr.errors import PDFError
from qwen_ocr.pdf import PDF

FAILED = 3
MAX_PAGES = 1000
MAX_WIDTH = 4096
MAX_PIXELS = 2**24
"""Of a picture: a letter at 400 dpi has 15 million; no model's budget is that large."""
_MEMORY = 2**30
"""Bytes of address space: an upload, its largest picture, and room for what is in the PDF."""


class _Upload(BytesIO):
    name = "the file"
    """What errors call it."""


def main() -> int:
    """Render one page; the exit code."""
    page, dpi, width, seconds = int(sys.argv[1]), *map(float, sys.argv[2:])
    limit(ceil(seconds))
    try:
        with PDF(_Upload(sys.stdin.buffer.read())) as pdf:
            if pdf.page_count > MAX_PAGES:
                raise PDFError(
                    f"{pdf.page_count} pages, more than {MAX_PAGES}: "
                    "read it with the Python client's ocr_pdf"
                )
            if page > pdf.page_count:
                raise PDFError(f"there is no page {page} among {pdf.page_count}")
            across, down = (max(inches, 1e-3) for inches in pdf.size(page))
            image = pdf.render(page, min(dpi, width / across, sqrt(MAX_PIXELS / across / down)))
            count = pdf.page_count
    except PDFError as exc:
        print(exc, file=sys.stderr)
        return FAILED
    sys.stdout.buffer.write(b"%d\n" % count)
    image.save(sys.stdout.buffer, "PNG", compress_level=1)
    return 0


def limit(seconds: int) -> None:
    """Whatever the PDF makes of this process, it ends soon, stays small and writes no file."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
