"""Pages of PDFs as images, rendered in other processes.

PDFs are written by strangers and the renderer is a large C++ library, so each page is rendered in a
process of its own, which lives for that page only, knows no secrets and has limits on its time and
memory. A document that breaks it breaks nobody else's.
"""

import asyncio
import os
import sys
from dataclasses import dataclass

from qwen_ocr_serve.documents.render_pdf import FAILED

TIME_LIMIT = 20.0
"""Seconds for one page: most take a fraction of one."""
_AT_ONCE = 2
"""Pages rendered at a time: rendering must not starve the engine of processor cores."""

_slots = asyncio.Semaphore(_AT_ONCE)


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """A page as an image."""

    png: bytes
    page_count: int
    """Pages of the whole document."""


class RenderError(Exception):
    """The page cannot be rendered; the message says why."""


async def render(
    data: bytes, page: int, dpi: float, width: int, time_limit: float = TIME_LIMIT
) -> RenderedPage:
    """Render `page`, from 1, at `dpi`, but at most `width` pixels across; `RenderError` if not."""
    command = [sys.executable, "-m", "qwen_ocr_serve.documents.render_pdf"]
    arguments = [str(page), str(dpi), str(width), str(time_limit)]
    # Nothing else of the environment: it holds keys.
    names = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
    env = {name: os.environ[name] for name in names if name in os.environ}
    async with _slots:
        process = await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            env=env,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(time_limit):
                output, errors = await process.communicate(data)
        except TimeoutError as exc:
            raise RenderError(f"page {page} takes longer than {time_limit:g} s to render") from exc
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode == FAILED:
        raise RenderError(errors.decode().strip())
    if process.returncode != 0:  # a crash, or one of the limits
        raise RenderError(f"page {page} cannot be rendered: the PDF is damaged or too large")
    count, _, png = output.partition(b"\n")
    return RenderedPage(png, int(count))
