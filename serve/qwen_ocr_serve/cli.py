"""The `qwen-ocr` command: the client's commands, and `serve`."""

import inspect
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from qwen_ocr.cli import app
from qwen_ocr_serve import launcher, replicas
from qwen_ocr_serve.command_settings import settings_or_exit
from qwen_ocr_serve.doctor_command import doctor_command
from qwen_ocr_serve.installation import Installation, LaunchError
from qwen_ocr_serve.models import family_of_model
from qwen_ocr_serve.plan_command import plan_command
from qwen_ocr_serve.settings import ENV_PREFIX, SECRET_FIELDS, ServeSettings

__all__ = ["app", "main"]

_WITHOUT_AVX512 = (
    "note: without AVX-512, weights of 16 bits read several times as fast in 32 bits, "
    "which take twice the memory: -- --dtype float32"
)
_Command = TypeVar("_Command", bound=Callable[..., None])


def _with_setting_options(command: _Command) -> _Command:
    """Replace the command's `**options` by one option per setting that is not a secret."""
    own = [
        parameter
        for parameter in inspect.signature(command).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                field.annotation | None,  # type: ignore[operator]
                typer.Option(
                    help=field.description,
                    envvar=ENV_PREFIX + name.upper(),
                    show_default=False if field.default in (None, "") else str(field.default),
                ),
            ],
        )
        for name, field in ServeSettings.model_fields.items()
        if name not in SECRET_FIELDS
    ]
    command.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (*own, *options)}
    return command


@app.command()
@_with_setting_options
def serve(
    vllm_flags: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- VLLM_FLAGS...]", help="Passed to vLLM as they are."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the command and its environment, and stop.")
    ] = False,
    **options: Any,
) -> None:
    """Serve a Qwen-VL model over HTTP: the OpenAI API, and POST /api/v1/ocr.

    Arguments win over QWEN_OCR_* environment variables, these over the file .env. Keys are no
    arguments: set QWEN_OCR_API_KEYS=name:secret, or name a file of them.
    SIGTERM ends the server after the running requests, Ctrl-C without waiting for them. SIGHUP
    restarts several servers (--replicas) one after the other.
    """
    settings = settings_or_exit(**options)
    plan: Callable[..., launcher.Launch | replicas.Fleet]
    plan = replicas.plan if settings.replicas > 1 else launcher.plan
    try:
        installation = Installation.detect()
        launch = plan(
            settings,
            installation,
            os.environ,
            vllm_flags or [],
            terminal=sys.stdout.isatty(),
        )
        if not dry_run:
            launcher.check(settings)
        if family_of_model(settings.model, settings.local_model) is None:
            message = f"warning: {settings.model} is of no known family and gets vLLM's defaults"
            typer.echo(message, err=True)
        told = any(word.startswith("--dtype") for word in vllm_flags or [])
        if installation.slow_bfloat16 and not (settings.bundled or told):
            typer.echo(_WITHOUT_AVX512, err=True)
        if dry_run:
            typer.echo(str(launch))
            return
        launch.execute()
    except LaunchError as exc:
        typer.echo(f"error: {exc}", err=True)
        raise typer.Exit(1) from exc


app.command("plan", epilog="Example: qwen-ocr plan --model Qwen/Qwen3-VL-8B-Instruct")(plan_command)

app.command("doctor", epilog="Example: qwen-ocr doctor --model Qwen/Qwen3-VL-8B-Instruct")(
    doctor_command
)


def main() -> None:
    """Run the command line; the process ends with the command's exit code."""
    app(prog_name="qwen-ocr")


if __name__ == "__main__":
    main()
