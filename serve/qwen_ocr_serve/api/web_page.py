"""The web page's files, and what its scripts have to know about the server."""

from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.staticfiles import StaticFiles

from qwen_ocr.profiles import profile_of
from qwen_ocr_serve import page
from qwen_ocr_serve.api.web_page_config import page_config
from qwen_ocr_serve.http.routes import GET, Route
from qwen_ocr_serve.models.profiles import served_profile

# The page loads nothing from another host, and neither can text that a model wrote into it.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "worker-src 'self'",  # renders PDFs
        "font-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
# Browsers ask each time whether a file has changed, so that a new version is seen at once.
_CACHE = {"Cache-Control": "no-cache"}

_files = StaticFiles(directory=Path(page.__file__).with_name("static"))
ROUTES = (
    Route("/", GET, key=False),
    Route(r"/page/([\w-]+/)*[\w-]+(\.[\w-]+)*", GET, key=False),
)
router = APIRouter(tags=["Server"])


class Service(BaseModel):
    """Answer of `GET /`."""

    name: str
    version: str
    docs: str | None


@router.get("/", summary="Ask what this server is", response_model=Service)
async def service(request: Request) -> Service | Response:
    """What this is, and where its documentation is; to a browser, the web page."""
    if _wants_html(request):
        return await _index(request)
    docs = "/docs" if request.app.openapi_url else None
    return Service(name="qwen-ocr", version=version("qwen-ocr"), docs=docs)


@router.get("/page/config.json", include_in_schema=False)
async def config(request: Request) -> JSONResponse:
    """What the page's scripts take from the Python tables."""
    model: str = request.app.state.openai_serving_models.base_model_paths[0].name
    docs: str | None = "/docs" if request.app.openapi_url else None
    profile = served_profile() or profile_of(model)
    config = page_config(model, profile.family, profile)
    return JSONResponse(config | {"docs": docs}, headers=_CACHE)


@router.get("/page/{file:path}", include_in_schema=False)
async def asset(file: str, request: Request) -> Response:
    """A script, style sheet or picture of the page; 404 for any other name."""
    return await _file(file, request)


async def _file(name: str, request: Request) -> Response:
    """Answers 304 to a browser that has the file already, see `StaticFiles`."""
    response = await _files.get_response(name, request.scope)
    response.headers.update(_CACHE)
    return response


def _wants_html(request: Request) -> bool:
    """Whether a request comes from a browser that opens the address."""
    return "text/html" in request.headers.get("accept", "")


async def _index(request: Request) -> Response:
    """The page itself."""
    response = await _file("index.html", request)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Accept"
    return response
