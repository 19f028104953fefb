"""How a JSON body becomes a value: once, quickly, and within bounds."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from qwen_ocr_serve.api.bounds import parse_json


class _ParsedRequest(Request):
    """A request whose body FastAPI finds parsed."""

    parsed: Any = None

    async def parse(self) -> None:
        """Parse the body, and let go of it: an image as bytes beside the same as text is twice it.

        Raises `APIError` as `parse_json` does.
        """
        self.parsed = parse_json(await self.body())
        self._body = b"{}"  # FastAPI looks whether there is one

    async def json(self) -> Any:
        """The value of the body."""
        return self.parsed


class JSONRoute(APIRoute):
    """A route whose body is parsed by `parse_json` in place of Python's parser."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, which gets the parsed body. It raises what `parse_json` does."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            parsed = _ParsedRequest(request.scope, request.receive)
            # Anything else than JSON is refused by the handler, for its type.
            if "json" in request.headers.get("content-type", "").lower():
                await parsed.parse()
            return await handler(parsed)

        return handle
