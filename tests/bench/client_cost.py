"""What the client costs beside the bare SDK: `python tests/bench/client_cost.py`, or `make bench`.

Both send the same bytes to a server that answers at once, or after a fixed time in the concurrent
case, so that what differs is the client's own work: reading, checking, perhaps resizing, encoding,
and understanding the answer. The bare SDK is given a request that was built before. Calls of the
two alternate, so that other load on the machine falls on both. Prints the median milliseconds of a
call or images per second, their ratio, the machine and the versions; exits with 1 when a limit is
missed.
"""

import asyncio
import io
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import openai
import report
from PIL import Image

from qwen_ocr import DEFAULT_PROMPT, AsyncOCRClient, OCRClient, family_of
from qwen_ocr.images import load_image, to_url
from qwen_ocr.requests import build_request

MODEL = "Qwen/Qwen3-VL-8B-Instruct"
CONCURRENCY = 64
PAGE_SECONDS = 0.5
"""How long the server takes for each of the concurrent images: a quick page on a large GPU."""
MAX_EXTRA_MS = 1.0
"""Limit for an image sent untouched, in milliseconds more than the bare SDK."""
MIN_THROUGHPUT = 0.98
"""Limit for concurrent images, as a share of the bare SDK's throughput."""

BODY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Read all the text. " * 100},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 2000, "completion_tokens": 500, "total_tokens": 2500},
    }
).encode()
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


@dataclass(frozen=True)
class Row:
    """One line of the report."""

    what: str
    ours: float
    bare: float
    unit: str
    limit: str
    kept: bool


async def serve(ready: Connection) -> None:
    """Answer every request on a free port, those to `/slow` after `PAGE_SECONDS`."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                if b" /slow/" in head:
                    await asyncio.sleep(PAGE_SECONDS)
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=2**20)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def run_server(ready: Connection) -> None:
    """The server's process."""
    asyncio.run(serve(ready))


def encoded(image: Image.Image, image_format: str) -> bytes:
    """The image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()


def request_for(image: bytes) -> dict[str, Any]:
    """The request that our client sends for an image, built beforehand."""
    url = to_url(load_image(image), family_of(MODEL))
    return build_request(MODEL, url, DEFAULT_PROMPT)


def one_by_one(root: str, image: bytes, rounds: int) -> tuple[float, float]:
    """Median milliseconds of a call: ours, the bare SDK's."""
    request = request_for(image)
    with (
        OCRClient(root, model=MODEL) as ours,
        openai.OpenAI(base_url=f"{root}/v1", api_key="none") as bare,
    ):
        calls: list[Callable[[], Any]] = [
            lambda: ours.ocr(image),
            lambda: bare.chat.completions.create(**request),
        ]
        taken: list[list[float]] = [[], []]
        for _ in range(rounds):
            for call, seconds in zip(calls, taken, strict=True):
                started = time.perf_counter()
                call()
                seconds.append(time.perf_counter() - started)
    # The first call of each opens its connection.
    first, second = (statistics.median(seconds[1:]) * 1000 for seconds in taken)
    return first, second


async def at_once(root: str, image: bytes, count: int, rounds: int) -> tuple[float, float]:
    """Images per second, of the best round: ours, the bare SDK's."""
    request = request_for(image)
    gate = asyncio.Semaphore(CONCURRENCY)
    best = [0.0, 0.0]
    async with (
        AsyncOCRClient(root, model=MODEL) as ours,
        openai.AsyncOpenAI(base_url=f"{root}/v1", api_key="none") as bare,
    ):

        async def read_bare() -> None:
            async with gate:
                await bare.chat.completions.create(**request)

        async def all_ours() -> None:
            outcomes = ours.ocr_many([image] * count, concurrency=CONCURRENCY, ordered=False)
            assert all([outcome.result async for outcome in outcomes])

        async def all_bare() -> None:
            await asyncio.gather(*[read_bare() for _ in range(count)])

        for _ in range(rounds):
            for index, read_all in enumerate((all_ours, all_bare)):
                started = time.perf_counter()
                await read_all()
                best[index] = max(best[index], count / (time.perf_counter() - started))
    return best[0], best[1]


def measure(root: str) -> list[Row]:
    """All rows, from the quickest to the slowest."""
    noise = Image.effect_noise((512, 400), 100)
    png = encoded(noise, "PNG")
    photo = encoded(Image.effect_noise((4000, 3000), 40).convert("RGB"), "JPEG")
    small = encoded(noise.resize((128, 96)), "PNG")
    rows = []
    ours, bare = one_by_one(root, png, 200)
    limit = f"at most {MAX_EXTRA_MS} ms more"
    what = f"{len(png) // 1024} KiB PNG, untouched"
    rows.append(Row(what, ours, bare, "ms", limit, ours - bare <= MAX_EXTRA_MS))
    ours, bare = one_by_one(root, photo, 10)
    rows.append(Row("12-megapixel JPEG, resized", ours, bare, "ms", "none", True))
    ours, bare = asyncio.run(at_once(f"{root}/slow", small, 20 * CONCURRENCY, 3))
    limit = f"at least {MIN_THROUGHPUT} of it"
    what = f"{CONCURRENCY} small images at once"
    rows.append(Row(what, ours, bare, "images/s", limit, ours >= MIN_THROUGHPUT * bare))
    return rows


def main() -> int:
    """Print the report; 0 when all limits are kept."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=run_server, args=(sender,), daemon=True)
    server.start()
    try:
        rows = measure(f"http://127.0.0.1:{receiver.recv()}")
    finally:
        server.terminate()
        server.join()
    cells = [
        (row.what, row.ours, row.bare, row.ours / row.bare, row.unit, row.limit, row.kept)
        for row in rows
    ]
    header = ("what", "qwen-ocr", "bare SDK", "ratio", "unit", "limit", "kept")
    report.show("the client beside the bare SDK", header, cells)
    report.show_circumstances()
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
