"""The tools over HTTP, for those who have the key."""

import hmac
import ipaddress
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from qwen_ocr.errors import ConfigurationError


class KeyMiddleware:
    """Lets through requests with the key, as `Authorization: Bearer KEY`."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 to a request without it."""
        if scope["type"] == "http":
            given = Headers(scope=scope).get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, self._expected):
                headers = {"WWW-Authenticate": 'Bearer realm="qwen-ocr"'}
                message = "a key is needed: send it as the header 'Authorization: Bearer KEY'"
                answer = JSONResponse({"error": message}, 401, headers)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def serve(server: MCPServer[Any], host: str, port: int, key: str | None) -> None:
    """Answer at `http://host:port/mcp` until Ctrl-C.

    Raises `ConfigurationError` if other machines could reach it without a key.
    """
    if not key and not _is_loopback(host):
        raise ConfigurationError(
            f"--host {host}: other machines could read your files: set QWEN_OCR_API_KEY, which "
            "callers have to send, too"
        )
    # On a loopback address, the package refuses names of other hosts and origins by itself.
    app: ASGIApp = server.streamable_http_app(host=host)
    if key:
        app = KeyMiddleware(app, key)
    config = uvicorn.Config(app, host=host, port=port, log_level="warning")
    await uvicorn.Server(config).serve()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
