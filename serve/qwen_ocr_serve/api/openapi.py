"""The description of the routes that are declared, and of nothing else that vLLM has."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import Route as StarletteRoute

from qwen_ocr_serve.http.routes import Route

_TAGS = (
    ("Documents", "PDFs, images and TIFFs as Markdown, blocks and figures."),
    ("Files", "Documents that are kept for an hour, to be read by their ids."),
    ("One image", "Short ways in for a picture."),
    ("Models and chat (OpenAI)", "What any OpenAI SDK calls."),
    ("Server", "How it is."),
)
"""Of the routes, in the order in which they are shown."""
_METRICS = {
    "tags": ["Server"],
    "summary": "Get the metrics",
    "description": "In Prometheus's text format: vLLM's, and this server's own.",
}
"""Of the route that is vLLM's."""
_KEYS = {
    "key": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}
ERRORS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
"""What a route that takes a key may answer, beside what is said there."""


def _complete(operation: dict[str, Any], route: Route) -> None:
    """Add the keys of a route, and the errors that come before its handler is called."""
    if not route.key:
        return
    operation["security"] = [{"key": []}, *([{"header": []}] if route.api_key_header else [])]
    for status in ERRORS:
        known = {"description": status.phrase}
        operation["responses"].setdefault(str(status.value), known)


def describe(app: FastAPI, declared: Iterable[Route]) -> Callable[[], dict[str, Any]]:
    """What to put in the place of `app.openapi`. Routes that take a key say so, and where."""
    by_path = {route.path: route for route in declared}

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = [
                route
                for route in app.routes
                if isinstance(route, StarletteRoute) and route.path in by_path
            ]
            description = get_openapi(
                title="qwen-ocr",
                version=version("qwen-ocr"),
                description="Reads the text of images. Any OpenAI SDK works with /v1.",
                routes=described,
            )
            for path, operations in description["paths"].items():
                for operation in operations.values():
                    _complete(operation, by_path[path])
            if metrics := description["paths"].get("/metrics"):
                metrics["get"] |= _METRICS
            description["tags"] = [{"name": name, "description": text} for name, text in _TAGS]
            description["components"]["securitySchemes"] = _KEYS
            app.openapi_schema = description
        return app.openapi_schema

    return openapi
