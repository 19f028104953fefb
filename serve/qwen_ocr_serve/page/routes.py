"""The page's own files, what it has to know about the server, and pictures of PDFs."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from qwen_ocr.families import family_of
from qwen_ocr_serve.models import served_family
from qwen_ocr_serve.page import pictures
from qwen_ocr_serve.page.config import page_config

# The page loads nothing from another host, and neither can text that a model wrote into it.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
# Browsers ask each time whether a file has changed, so that a new version is seen at once.
_CACHE = {"Cache-Control": "no-cache"}

_files = StaticFiles(directory=Path(__file__).with_name("static"))
router = APIRouter()
router.include_router(pictures.router)


def wants_html(request: Request) -> bool:
    """Whether a request comes from a browser that opens the address."""
    return "text/html" in request.headers.get("accept", "")


async def index(request: Request) -> Response:
    """The page itself."""
    response = await _file("index.html", request)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Accept"
    return response


@router.get("/page/config.json", include_in_schema=False)
async def config(request: Request) -> JSONResponse:
    """What the page's scripts take from the Python tables."""
    model: str = request.app.state.openai_serving_models.base_model_paths[0].name
    docs: str | None = "/docs" if request.app.openapi_url else None
    family = served_family() or family_of(model)
    return JSONResponse(page_config(model, family) | {"docs": docs}, headers=_CACHE)


@router.get("/page/{file}", include_in_schema=False)
async def asset(file: str, request: Request) -> Response:
    """A script, style sheet or picture of the page; 404 for any other name."""
    return await _file(file, request)


async def _file(name: str, request: Request) -> Response:
    """Answers 304 to a browser that has the file already, see `StaticFiles`."""
    response = await _files.get_response(name, request.scope)
    response.headers.update(_CACHE)
    return response
