"""`qwen-ocr serve`."""

import inspect
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Annotated, Any, TypeVar

import typer

from qwen_ocr.profiles import known_profile
from qwen_ocr_serve.cli.command_settings import settings_or_exit
from qwen_ocr_serve.http.keys import load_keys
from qwen_ocr_serve.launch import cpu, launcher
from qwen_ocr_serve.launch import terminal as terminal_log
from qwen_ocr_serve.launch.installation import Installation, LaunchError
from qwen_ocr_serve.launch.own_log import log_as
from qwen_ocr_serve.models.config_file import config_of
from qwen_ocr_serve.models.profiles import profile_of_settings
from qwen_ocr_serve.replicas import run as replicas
from qwen_ocr_serve.settings import ENV_PREFIX, SECRET_FIELDS, ServeSettings

log = logging.getLogger("qwen_ocr")
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


@_with_setting_options
def serve_command(
    vllm_flags: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- VLLM_FLAGS...]", help="Passed to vLLM as they are."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the command and its environment, and stop.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", help="Show the log on the terminal instead of in a file."),
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
    extra = vllm_flags or []
    terminal = _on_terminal()
    build: Callable[..., launcher.Launch | replicas.Fleet]
    build = replicas.build_fleet if settings.replicas > 1 else launcher.build_launch
    try:
        installation = Installation.detect()
        if not dry_run and settings.profile is None and not known_profile(settings.model):
            config_of(settings.model, settings.local_model, download=True)  # into the cache
        launch = build(settings, installation, os.environ, extra, terminal=terminal)
        if not dry_run:
            launcher.check(settings)
        _warn(settings, installation, extra)
        if dry_run:
            typer.echo(str(launch))
            return
        computing = _computing(settings, installation, extra)
        if isinstance(launch, replicas.Fleet):
            launch = replace(launch, computing=computing)
        elif terminal and not verbose:
            launch = _introduce(settings, launch, computing, extra)
        else:
            log_as(launcher.log_format(settings, terminal=terminal))
            log.info("%s", computing)
        launch.execute()
    except LaunchError as exc:
        typer.echo(f"error: {exc}", err=True)
        raise typer.Exit(1) from exc


def _on_terminal() -> bool:
    return sys.stdout.isatty()


def _warn(settings: ServeSettings, installation: Installation, extra: Sequence[str]) -> None:
    profile = profile_of_settings(settings)
    if profile is None:
        message = f"warning: {settings.model} is of no known family and gets vLLM's defaults"
        typer.echo(message, err=True)
    elif settings.profile is None and not known_profile(settings.model):
        # A model trained for OCR looks like the one that it was trained on.
        message = (
            f"note: {settings.model} is asked like {profile.name}, by its config.json; if it was "
            "trained for other prompts, say --profile (`qwen-ocr models` lists them)"
        )
        typer.echo(message, err=True)
    slow = installation.precision.dtype == "float32"
    if slow and not settings.bundled and _dtype(extra) is None:
        typer.echo(
            f"note: {installation.precision.reason}; float32 takes twice the memory: "
            "-- --dtype float32",
            err=True,
        )


def _computing(settings: ServeSettings, installation: Installation, extra: Sequence[str]) -> str:
    """What computes the model, and why."""
    if not installation.cpu:
        return f"computing on {settings.gpus} GPU{'s' if settings.gpus > 1 else ''}"
    return cpu.described(
        settings, installation, dtype=_dtype(extra), threads=os.environ.get("OMP_NUM_THREADS")
    )


def _introduce(
    settings: ServeSettings, launch: launcher.Launch, computing: str, extra: Sequence[str]
) -> launcher.Launch:
    """Print what people want to know, and return the command whose log goes to a file."""
    try:
        file = terminal_log.new_log_file(settings.port)
    except OSError as exc:
        raise LaunchError(f"{exc}; --verbose shows the log on the terminal") from exc
    lines = terminal_log.introduction(
        settings,
        computing=computing,
        keys=bool(load_keys(settings)),
        log=file,
        version=version("qwen-ocr"),
    )
    typer.echo("\n".join(lines))
    return launch.logging_to(file, terminal_log.url(settings, extra))


def _dtype(extra: Sequence[str]) -> str | None:
    """What the user gave vLLM as `--dtype`; the last one counts."""
    told = None
    for number, word in enumerate(extra):
        flag, equals, value = word.partition("=")
        if flag == "--dtype":
            told = value if equals else "".join(extra[number + 1 : number + 2])
    return told
