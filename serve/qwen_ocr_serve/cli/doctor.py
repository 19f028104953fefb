"""`qwen-ocr doctor`: what would keep a server or a client from working, and how to mend it."""

from typing import Annotated

import typer

from qwen_ocr.errors import ConfigurationError
from qwen_ocr.settings import ClientSettings
from qwen_ocr_serve.cli.checks import CHECKS
from qwen_ocr_serve.cli.command_settings import settings_or_exit
from qwen_ocr_serve.cli.findings import Context, Level

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


def doctor_command(
    model: Annotated[
        str | None, typer.Option(help="The model to serve, or QWEN_OCR_MODEL.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, or QWEN_OCR_HOST.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="TCP port, or QWEN_OCR_PORT.")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="A running server to check, or QWEN_OCR_BASE_URL.")
    ] = None,
) -> None:
    """Check this machine, its installation and a running server; say how to mend what is wrong.

    Reads the same variables and .env as `serve`. The exit code is 1 if anything is broken.
    """
    settings = settings_or_exit(model=model, host=host, port=port)
    try:
        client = ClientSettings.load(base_url=base_url)
    except ConfigurationError as exc:
        typer.echo(f"error: {exc}", err=True)
        raise typer.Exit(2) from exc
    named = base_url is not None or "base_url" in client.model_fields_set
    context = Context(
        settings=settings,
        server_url=client.base_url if named else None,
        api_key=client.api_key.get_secret_value() if client.api_key else None,
    )
    failed = False
    for check in CHECKS:
        finding = check(context)
        failed |= finding.level is Level.FAIL
        level = typer.style(f"{finding.level:4}", fg=_COLOURS[finding.level])
        typer.echo(f"{level}  {finding.check:7} {finding.message}")
        if finding.remedy and finding.level is not Level.OK:
            typer.echo(f"{'':14}→ {finding.remedy}")
    if failed:
        raise typer.Exit(1)
