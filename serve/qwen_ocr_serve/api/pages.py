"""`POST /api/v1/pages`: a page of a PDF as a picture, for browsers, which cannot render one."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from qwen_ocr.pdf import DEFAULT_DPI, MAX_DPI, MIN_DPI
from qwen_ocr_serve.documents.render_pdf import MAX_PAGES, MAX_WIDTH
from qwen_ocr_serve.documents.rendering import RenderError, render
from qwen_ocr_serve.http.errors import APIError, too_many_pdfs
from qwen_ocr_serve.http.routes import POST, Route

PATH = "/api/v1/pages"
ROUTES = (Route(PATH, POST, error_format="envelope"),)
MAX_PDF_BYTES = 64 * 2**20
_MAX_WAITING = 16
"""Uploads in memory at a time, rendered or waiting."""
_RETRY_AFTER = 2
"""Seconds: most pages take a fraction of one."""

router = APIRouter()
_waiting: set[Request] = set()


@router.post(
    PATH,
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
    except RenderError as exc:
        raise APIError(HTTPStatus.BAD_REQUEST.value, "invalid_request", str(exc)) from exc
    except ClientDisconnect as exc:  # nobody is left to be told; this keeps it out of the log
        message = "the upload broke off"
        raise APIError(HTTPStatus.BAD_REQUEST.value, "invalid_request", message) from exc
    finally:
        _waiting.discard(request)
    headers = {"X-Page-Count": str(picture.page_count), "Cache-Control": "no-store"}
    return Response(picture.png, media_type="image/png", headers=headers)


async def _read(request: Request) -> bytes:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MAX_PDF_BYTES:
            raise APIError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value,
                "request_too_large",
                f"a PDF may have {MAX_PDF_BYTES // 2**20} MiB here: "
                "read a larger one with the Python client's ocr_pdf",
            )
    if not data:
        message = "no PDF: the body is empty"
        raise APIError(HTTPStatus.UNPROCESSABLE_ENTITY.value, "invalid_request", message)
    return bytes(data)
