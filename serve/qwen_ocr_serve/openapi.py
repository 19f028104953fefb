"""The description of the routes that exist, out of that of all routes that vLLM has."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from qwen_ocr_serve.guard.routes import ROUTES

_REFERENCE = "#/components/schemas/"


def _references(node: Any) -> set[str]:
    """The names of all schemas that a part of the description refers to."""
    if isinstance(node, dict):
        found = set().union(*map(_references, node.values()))
        target = node.get("$ref")
        if isinstance(target, str) and target.startswith(_REFERENCE):
            found.add(target.removeprefix(_REFERENCE))
        return found
    if isinstance(node, list):
        return set().union(*map(_references, node))
    return set()


def only_listed(description: dict[str, Any]) -> dict[str, Any]:
    """The description without routes that the guard does not let through, and without schemas
    that only those need. Routes that take a key say so.
    """
    paths: dict[str, Any] = {}
    for route in ROUTES:
        operations = description["paths"].get(route.path, {})
        for method, operation in operations.items():
            if method.upper() in route.methods:
                secured: dict[str, Any] = {"security": [{"key": []}]} if route.key else {}
                paths.setdefault(route.path, {})[method] = {**operation, **secured}
    schemas = description.get("components", {}).get("schemas", {})
    needed: set[str] = set()
    new = _references(paths)
    while new:
        needed |= new
        new = _references([schemas[name] for name in new]) - needed
    return {
        **description,
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(needed)},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def describe(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What to put in the place of `app.openapi`."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            everything = get_openapi(
                title="qwen-ocr",
                version=version("qwen-ocr"),
                description="Reads the text of images. Any OpenAI SDK works with /v1.",
                routes=app.routes,
            )
            app.openapi_schema = only_listed(everything)
        return app.openapi_schema

    return openapi
