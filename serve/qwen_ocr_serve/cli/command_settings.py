"""What the server's commands share: settings from options, and how a wrong one is told."""

from typing import Any

import typer
from pydantic import ValidationError

from qwen_ocr_serve.settings import ServeSettings


def settings_or_exit(**options: Any) -> ServeSettings:
    """The settings from the options that are not None, then the environment, then `.env`.

    A wrong value is told in one line, naming its option, and ends the command with exit code 2.
    """
    try:
        return ServeSettings(**{name: v for name, v in options.items() if v is not None})
    except ValidationError as exc:
        for error in exc.errors():
            where = "".join(f"--{part}: ".replace("_", "-") for part in error["loc"])
            typer.echo(f"error: {where}{error['msg'].removeprefix('Value error, ')}", err=True)
        raise typer.Exit(2) from exc
