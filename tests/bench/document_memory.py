"""What a long document leaves in memory: a server's processes after 200 pages and after 2,000.

`python tests/bench/document_memory.py [PAGES]`, a multiple of 200, reads documents of 1,000 pages
with a few words each through `POST /v1/ocr`, streamed, and prints the proportional set size of all
processes each 200 pages.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import report
from processes import groups, memory

from qwen_ocr import OCRClient
from qwen_ocr_serve.launch.local_server import LocalServer

EVERY = 200
LONGEST = 1000
"""Pages of one document, at most."""
LIMIT = 1.05
"""Of the memory after all pages, in that after the first 200."""


def document(pages: int) -> bytes:
    """A PDF whose pages differ in their number only; no cross-reference table."""
    kids = " ".join(f"{10 + 2 * number} 0 R" for number in range(pages))
    objects = []
    for number in range(pages):
        content = f"BT /F 20 Tf 40 140 Td (This is page {number} of the book.) Tj ET"
        objects.append(
            f"{10 + 2 * number} 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 420 300]"
            f"/Contents {11 + 2 * number} 0 R/Resources<</Font<</F 3 0 R>>>>>> endobj\n"
            f"{11 + 2 * number} 0 obj <</Length {len(content)}>> stream\n{content}\nendstream "
            "endobj\n"
        )
    return (
        "%PDF-1.7\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n"
        f"2 0 obj <</Type/Pages/Count {pages}/Kids[{kids}]>> endobj\n"
        "3 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj\n"
        f"{''.join(objects)}trailer <</Root 1 0 R>>\n%%EOF"
    ).encode()


def main() -> int:
    """Print the table; 1 if the memory grows beyond the limit."""
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rows: list[tuple[int, float, float]] = []
    with tempfile.TemporaryDirectory() as folder, LocalServer(Path(folder) / "log") as server:
        server.wait_until_ready()
        family = groups(server.process.pid)
        count, began = 0, time.perf_counter()
        with OCRClient(server.base_url) as client:
            while count < total:
                for page in client.stream_document(document(min(LONGEST, total - count))):
                    assert page.error is None, page.error
                    count += 1
                    if count % EVERY == 0:
                        family |= groups(server.process.pid)
                        held = sum(memory(group) for group in family)
                        rows.append((count, held, count / (time.perf_counter() - began)))
    report.show(f"{total:,} pages", ["pages", "MiB", "pages/s"], rows)
    report.show_circumstances()
    ratio = rows[-1][1] / rows[0][1]
    print(f"memory after {rows[-1][0]:,} pages, in that after {rows[0][0]}: {ratio:.3f}")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
