"""What one caller's requests do to another: run it before and after a change, and compare.

    python tests/bench/isolation.py [FIRST ...]

Two tables: whether a valid request still gets its answer after one with the same image was refused
or given up; and for each costly request, how it was answered, how long `/health` and a small
request of another caller took meanwhile at most, and what memory grew by. The server is started
anew when it has died. `FIRST ...` are the beginnings of the names of the costly requests to send.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import processes
from heavy import CHAT, REFUSALS, Heavy, chat, heavy_requests
from PIL import Image, ImageDraw

from qwen_ocr_serve.launch import machine
from qwen_ocr_serve.launch.local_server import LocalServer

ABORTS = 40
LONGEST = 150.0
"""Seconds to wait for the answer to a costly request."""
_PAUSE = 0.2


def picture(number: int) -> str:
    """A small image with a printed word, unlike those of other numbers."""
    image = Image.new("RGB", (160, 48), "white")
    ImageDraw.Draw(image).text((16, 8), f"No {number}", fill="black", font_size=28)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


async def status(session: aiohttp.ClientSession, body: object) -> int:
    """The status of a chat request."""
    async with session.post(CHAT, json=body) as response:
        await response.read()
        return response.status


async def after_refusals(session: aiohttp.ClientSession) -> None:
    """Refuse a request, and send a valid one with the same image."""
    spoilt = []
    for number, (name, fields) in enumerate(REFUSALS.items()):
        refused = await status(session, chat(picture(number), **fields))
        if await status(session, chat(picture(number))) != 200:
            spoilt.append(f"{name} ({refused})")
    print(f"after {len(REFUSALS)} refusals, spoilt: {len(spoilt)} {spoilt}", flush=True)


async def after_aborts(session: aiohttp.ClientSession) -> None:
    """Give requests up at moments spread over their life, and send the same images again."""
    began = time.perf_counter()
    await status(session, chat(picture(1000)))
    whole = time.perf_counter() - began
    spoilt = 0
    for number in range(ABORTS):
        url = picture(1001 + number)
        call = asyncio.create_task(status(session, chat(url, max_tokens=100)))
        await asyncio.sleep(whole * 1.5 * number / ABORTS)
        call.cancel()
        await asyncio.wait([call])
        spoilt += await status(session, chat(url)) != 200
    print(f"after {ABORTS} requests that were given up, spoilt: {spoilt}", flush=True)


async def longest(session: aiohttp.ClientSession, path: str, found: list[float]) -> None:
    """Ask again and again, and note the seconds of each answer; without end."""
    while True:
        began = time.perf_counter()
        found.append(0.0)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            if path == CHAT:
                await status(session, chat(picture(0), max_tokens=1))
            else:
                await (await session.get(path)).read()
        found[-1] = time.perf_counter() - began
        await asyncio.sleep(_PAUSE)


async def answer(session: aiohttp.ClientSession, heavy: Heavy, body: bytes) -> str:
    """The status and code that a costly request is answered with."""
    headers = {"Content-Type": "application/json"}
    try:
        async with session.post(heavy.path, data=body, headers=headers) as response:
            content = await response.json()
            error = content.get("error")
            return f"{response.status} {error['code'] if error else ''}".strip()
    except (aiohttp.ClientError, TimeoutError) as exc:
        return type(exc).__name__


async def hurt(server: LocalServer, heavy: Heavy) -> None:
    """Send a costly request, and look at what others get."""
    body = heavy.body()
    before = processes.memory(server.process.pid)
    health: list[float] = []
    others: list[float] = []
    peak = before
    timeout = aiohttp.ClientTimeout(total=LONGEST)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        server.base_url, timeout=timeout, connector=connector
    ) as session:
        watchers = [
            asyncio.create_task(longest(session, "/health", health)),
            asyncio.create_task(longest(session, CHAT, others)),
        ]
        await asyncio.sleep(2 * _PAUSE)
        began = time.perf_counter()
        calls = [asyncio.create_task(answer(session, heavy, body)) for _ in range(heavy.copies)]
        while not all(call.done() for call in calls):
            await asyncio.sleep(0.1)
            peak = max(peak, processes.memory(server.process.pid))
        took = time.perf_counter() - began
        await asyncio.sleep(2 * _PAUSE)
        for watcher in watchers:
            watcher.cancel()
        await asyncio.wait(watchers)
    answers = ", ".join(sorted({call.result() for call in calls}))
    code = server.process.poll()
    kept = processes.memory(server.process.pid) - before if code is None else 0
    print(
        f"| {heavy.name} | {answers} | {took:.1f} | {max(health):.2f} | {max(others):.2f} "
        f"| {peak - before:.0f} | {kept:.0f} "
        f"| {'alive' if code is None else f'exit {code}'} |",
        flush=True,
    )


def main() -> None:
    """Print both tables."""
    wanted = tuple(sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        started = 0

        def start() -> LocalServer:
            nonlocal started
            started += 1
            server = stack.enter_context(LocalServer(Path(folder, f"{started}.log")))
            server.wait_until_ready()
            return server

        server = start()
        if not wanted:

            async def spoil() -> None:
                async with aiohttp.ClientSession(server.base_url) as session:
                    await after_refusals(session)
                    await after_aborts(session)

            asyncio.run(spoil())
        print(
            "\n| request | answer | s | longest /health, s | longest other request, s "
            "| memory, MiB | kept, MiB | server |\n" + "|---" * 8 + "|"
        )
        for heavy in heavy_requests(picture(0)):
            if heavy.name.startswith(wanted or ("",)):
                if not _answers(server):
                    stack.close()
                    server = start()
                asyncio.run(hurt(server, heavy))


def _answers(server: LocalServer) -> bool:
    """Whether a server answers within some seconds; all that is left of one that does not ends."""
    if isinstance(machine.health(server.base_url, None), dict):
        return True
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    return False


if __name__ == "__main__":
    main()
