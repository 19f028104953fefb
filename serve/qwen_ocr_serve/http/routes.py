"""What a route is to the middleware, and how it is found.

Each route is declared beside its handler, in `api/`; `api/plugin.py` puts them together. What is
not declared is 404, whatever vLLM has there.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from qwen_ocr_serve.http.error_formats import ErrorFormat

GET = frozenset({"GET"})
POST = frozenset({"POST"})
PUT = frozenset({"PUT"})
DELETE = frozenset({"DELETE"})
_NAME = re.compile(r"\{\w+\}")


@dataclass(frozen=True, slots=True)
class Route:
    """What has to be known about a route before its handler is called."""

    path: str
    """The path. `{name}` in it stands for anything without a slash; one with parentheses is a
    regular expression."""
    methods: frozenset[str]
    key: bool = True
    """Whether it takes a key, if the server has keys."""
    api_key_header: bool = False
    """Whether the key may also come in the header `X-Api-Key`."""
    limited: bool = False
    """Whether its requests count among those that the server works on at a time."""
    error_format: ErrorFormat = "openai"
    documentation: bool = False
    """Whether it goes away when the documentation is turned off."""
    timed_by_part: bool = False
    """Whether the time limit is for each part of a streamed answer, and not for all of it."""


class RouteTable:
    """All routes of the server."""

    def __init__(self, routes: Iterable[Route], *, docs: bool, open_metrics: bool) -> None:
        shown = [route for route in routes if docs or not route.documentation]
        if open_metrics:
            shown = [replace(r, key=False) if r.path == "/metrics" else r for r in shown]
        self._exact = {route.path: route for route in shown}
        self._patterns = [
            (re.compile(_NAME.sub("[^/]+", route.path), re.ASCII), route)
            for route in shown
            if "(" in route.path or "{" in route.path
        ]

    def find(self, path: str) -> Route | None:
        """The route of exactly this path, as it came: no slash more, nothing decoded twice."""
        if route := self._exact.get(path):
            return route
        for pattern, route in self._patterns:
            if pattern.fullmatch(path):
                return route
        return None
