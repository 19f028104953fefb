"""`POST /api/v1/pages`: a page of a PDF as a picture, for browsers, which cannot render one."""

from contextlib import closing
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from qwen_ocr.pdf import DEFAULT_DPI, MAX_DPI, MIN_DPI
from qwen_ocr_serve.api.page_reader import in_file, page_workers
from qwen_ocr_serve.documents.workers import PageError
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.http.routes import POST, Route

PATH = "/api/v1/pages"
ROUTES = (Route(PATH, POST, limited=True, error_format="envelope"),)
MAX_PAGES = 100_000
_MAX_WIDTH = 4096

router = APIRouter(tags=["One image"])


@router.post(
    PATH,
    summary="Render a page as a picture",
    response_class=Response,
    responses={
        HTTPStatus.OK.value: {
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
            "headers": {"X-Page-Count": {"schema": {"type": "integer"}}},
        },
        HTTPStatus.BAD_REQUEST.value: {
            "description": "There is no such page, or it cannot be rendered."
        },
        HTTPStatus.UNPROCESSABLE_ENTITY.value: {"description": "There is nothing in the body."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/pdf": {"schema": {"type": "string", "format": "binary"}},
                "image/tiff": {"schema": {"type": "string", "format": "binary"}},
            },
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
        int, Query(ge=16, le=_MAX_WIDTH, description="Pixels across at most.")
    ] = _MAX_WIDTH,
) -> Response:
    """Render one page of the PDF in the body as a PNG; `X-Page-Count` says how many it has."""
    data = await request.body()
    if not data:
        message = "no PDF: the body is empty"
        raise APIError(HTTPStatus.UNPROCESSABLE_ENTITY.value, "invalid_request", message)
    try:
        with closing(await in_file(data)) as document:
            png, count = await page_workers().picture(document, page - 1, dpi=dpi, width=width)
    except PageError as exc:
        code = exc.code or "invalid_document"
        raise APIError(HTTPStatus.BAD_REQUEST.value, code, str(exc)) from exc
    headers = {"X-Page-Count": str(count), "Cache-Control": "no-store"}
    return Response(png, media_type="image/png", headers=headers)
