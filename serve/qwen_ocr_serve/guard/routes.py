"""Which routes exist. What is not listed here is 404, whatever vLLM has there."""

import re
from dataclasses import dataclass
from typing import Literal

OCR_PATH = "/api/v1/ocr"

Dialect = Literal["openai", "envelope", "own"]
"""How a route words its errors: as OpenAI does, as the replaced service did, or by itself."""


@dataclass(frozen=True)
class Route:
    """One row of the table of routes."""

    path: str
    """The path, or a regular expression for all of it where it has parentheses or brackets."""
    methods: frozenset[str]
    key: bool = False
    """Whether it takes a key, if the server has keys."""
    engine: bool = False
    """Whether a request takes a place in the queue."""
    dialect: Dialect = "openai"
    docs: bool = False
    """Whether it goes away when the documentation is turned off."""


_GET = frozenset({"GET"})
_POST = frozenset({"POST"})

ROUTES = (
    Route("/v1/chat/completions", _POST, key=True, engine=True),
    Route("/v1/responses", _POST, key=True, engine=True),
    Route("/v1/models", _GET, key=True),
    Route(OCR_PATH, _POST, key=True, engine=True, dialect="envelope"),
    Route("/api/v1/pages", _POST, key=True, dialect="envelope"),
    Route("/health", _GET, dialect="own"),
    Route("/metrics", _GET, key=True),
    Route("/", _GET),
    Route(r"/page/[\w-]+(\.[\w-]+)*", _GET),
    Route("/docs", _GET, docs=True),
    Route("/openapi.json", _GET, docs=True),
    Route(r"/static/swagger-ui(-bundle\.js|\.css)", _GET, docs=True),
)
"""Every route there is."""


class RouteTable:
    """Finds the route of a path."""

    def __init__(self, *, docs: bool, open_metrics: bool) -> None:
        shown = [route for route in ROUTES if docs or not route.docs]
        if open_metrics:
            shown = [
                Route(route.path, route.methods) if route.path == "/metrics" else route
                for route in shown
            ]
        self._exact = {route.path: route for route in shown}
        self._patterns = [
            (re.compile(route.path, re.ASCII), route) for route in shown if "(" in route.path
        ]

    def find(self, path: str) -> Route | None:
        """The route of exactly this path, as it came: no slash more, nothing decoded twice."""
        if route := self._exact.get(path):
            return route
        for pattern, route in self._patterns:
            if pattern.fullmatch(path):
                return route
        return None
