"""What the commands share: options that say where the server is, and how a failure is told."""

from typing import Annotated

import typer

BaseUrl = Annotated[str | None, typer.Option(help="The server, or QWEN_OCR_BASE_URL.")]
ApiKey = Annotated[
    str | None, typer.Option(help="Better in QWEN_OCR_API_KEY, where `ps` does not show it.")
]
ModelName = Annotated[
    str | None, typer.Option(help="Model name, or QWEN_OCR_MODEL; the server's own if unset.")
]


def complain(message: str) -> None:
    """Print one line to stderr, whatever a server put into its message."""
    typer.echo(f"qwen-ocr: {' '.join(message.split())}", err=True)
