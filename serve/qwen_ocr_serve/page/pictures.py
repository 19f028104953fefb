"""`POST /api/v1/pages`: a page of a PDF as a picture, for browsers, which cannot render one.

PDFs are written by strangers and the renderer is a large C++ library, so each page is rendered in a
process of its own, which lives for that page only, knows no secrets and has limits on its time and
memory. A document that breaks it breaks nobody else's.
"""

import asyncio
import os
import sys
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from qwen_ocr.pdf import DEFAULT_DPI, MAX_DPI, MIN_DPI
from qwen_ocr_serve.guard.problems import too_many_pdfs
from qwen_ocr_serve.page.render_pdf import FAILED, MAX_PAGES, MAX_WIDTH

PICTURE_PATH = "/api/v1/pages"
MAX_PDF_BYTES = 64 * 2**20
TIME_LIMIT = 20.0
"""Seconds for one page: most take a fraction of one."""
_AT_ONCE = 2
"""Pages rendered at a time: rendering must not starve the engine of processor cores."""
_MAX_WAITING = 16
"""Uploads in memory at a time, rendered or waiting."""
_RETRY_AFTER = 2
"""Seconds: most pages take a fraction of one."""

router = APIRouter()
_slots = asyncio.Semaphore(_AT_ONCE)
_waiting: set[Request] = set()


@dataclass(frozen=True, slots=True)
class Picture:
    """A rendered page."""

    png: bytes
    page_count: int
    """Pages of the whole document."""


class PictureError(Exception):
    """The page cannot be rendered; the message says why."""


@router.post(
    PICTURE_PATH,
    response_class=Response,
    responses={
        HTTPStatus.OK.value: {
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
            "headers": {"X-Page-Count": {"schema": {"type": "integer"}}},
        },
        HTTPStatus.BAD_REQUEST.value: {
            "description": "There is no such page, or it cannot be rendered."
        },
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value: {"description": "The PDF is too large."},
        HTTPStatus.UNPROCESSABLE_ENTITY.value: {"description": "There is no PDF in the body."},
        HTTPStatus.SERVICE_UNAVAILABLE.value: {"description": "Too many PDFs at a time."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def page_picture(
    request: Request,
    page: Annotated[int, Query(ge=1, le=MAX_PAGES, description="Number of the page.")] = 1,
    dpi: Annotated[
        float, Query(ge=MIN_DPI, le=MAX_DPI, description="Dots per inch.")
    ] = DEFAULT_DPI,
    width: Annotated[
        int, Query(ge=16, le=MAX_WIDTH, description="Pixels across at most.")
    ] = MAX_WIDTH,
) -> Response:
    """Render one page of the PDF in the body as a PNG; `X-Page-Count` says how many it has."""
    if len(_waiting) >= _MAX_WAITING:
        raise too_many_pdfs(_RETRY_AFTER)
    _waiting.add(request)
    try:
        data = await _read(request)
        picture = await render(data, page, dpi, width)
    except PictureError as exc:
        raise HTTPException(HTTPStatus.BAD_REQUEST, str(exc)) from exc
    except ClientDisconnect as exc:  # nobody is left to be told; this keeps it out of the log
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the upload broke off") from exc
    finally:
        _waiting.discard(request)
    headers = {"X-Page-Count": str(picture.page_count), "Cache-Control": "no-store"}
    return Response(picture.png, media_type="image/png", headers=headers)


async def _read(request: Request) -> bytes:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MAX_PDF_BYTES:
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a PDF may have {MAX_PDF_BYTES // 2**20} MiB here: "
                "read a larger one with the Python client's ocr_pdf",
            )
    if not data:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "no PDF: the body is empty")
    return bytes(data)


async def render(
    data: bytes, page: int, dpi: float, width: int, time_limit: float = TIME_LIMIT
) -> Picture:
    """Render `page`, from 1, at `dpi`, but at most `width` pixels across; `PictureError` if not."""
    command = [sys.executable, "-m", "qwen_ocr_serve.page.render_pdf"]
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
            raise PictureError(f"page {page} takes longer than {time_limit:g} s to render") from exc
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode == FAILED:
        raise PictureError(errors.decode().strip())
    if process.returncode != 0:  # a crash, or one of the limits
        raise PictureError(f"page {page} cannot be rendered: the PDF is damaged or too large")
    count, _, png = output.partition(b"\n")
    return Picture(png, int(count))
