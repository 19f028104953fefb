"""The description of the routes that exist, and of nothing else that vLLM has."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute, Route

from qwen_ocr_serve.guard.routes import ROUTES

_LISTED = {route.path: route for route in ROUTES}


def is_listed(route: BaseRoute) -> bool:
    """Whether the guard lets requests through to this route of the application."""
    return isinstance(route, Route) and route.path in _LISTED


def describe(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What to put in the place of `app.openapi`. Routes that take a key say so."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = get_openapi(
                title="qwen-ocr",
                version=version("qwen-ocr"),
                description="Reads the text of images. Any OpenAI SDK works with /v1.",
                routes=list(filter(is_listed, app.routes)),
            )
            for path, operations in description["paths"].items():
                for operation in operations.values() if _LISTED[path].key else ():
                    operation["security"] = [{"key": []}]
            schemes = {"key": {"type": "http", "scheme": "bearer"}}
            description["components"]["securitySchemes"] = schemes
            app.openapi_schema = description
        return app.openapi_schema

    return openapi
