"""`mcp`: documents for agents, by the Model Context Protocol."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from qwen_ocr.errors import ConfigurationError
from qwen_ocr_tools.cli.common import ApiKey, BaseUrl, ModelName, exit_codes


def mcp(
    root: Annotated[
        Path, typer.Option(help="The folder whose files agents may read; none outside of it.")
    ],
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Answer over HTTP at /mcp; over stdin and stdout if unset."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on with --port.")] = "127.0.0.1",
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    model: ModelName = None,
) -> None:
    """Let agents read documents: tools for the Model Context Protocol.

    The tools are `read_document`, `extract` and `search_document`. Over HTTP, callers send the key
    that this command itself uses, QWEN_OCR_API_KEY, as `Authorization: Bearer KEY`.
    """
    with exit_codes():
        try:
            from qwen_ocr_tools.mcp.http import serve
            from qwen_ocr_tools.mcp.server import build_server
        except ModuleNotFoundError as exc:
            if exc.name != "mcp":
                raise
            message = "agents need the extra mcp: pip install 'qwen-ocr[mcp]'"
            raise ConfigurationError(message) from exc
        from qwen_ocr.async_client import AsyncOCRClient
        from qwen_ocr.settings import ClientSettings
        from qwen_ocr_tools.mcp.root import RootFolder

        async def run() -> None:
            folder = RootFolder(root)
            async with AsyncOCRClient(base_url, api_key=api_key, model=model) as client:
                server = build_server(client, folder)
                if port is None:
                    await server.run_stdio_async()
                else:
                    key = ClientSettings.load(api_key=api_key).api_key
                    await serve(server, host, port, key.get_secret_value() if key else None)

        asyncio.run(run())
