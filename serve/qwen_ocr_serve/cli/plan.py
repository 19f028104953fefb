"""`qwen-ocr plan`: does the model fit, with which flags, and how many pages are read at a time."""

import shlex
from typing import Annotated

import typer

from qwen_ocr.families import QWEN3_VL, Family
from qwen_ocr_serve.cli.command_settings import settings_or_exit
from qwen_ocr_serve.models import memory, serving
from qwen_ocr_serve.models.architecture import (
    Architecture,
    UnknownArchitectureError,
    of_directory,
    of_published,
)
from qwen_ocr_serve.models.profiles import (
    NoPicturesError,
    UnknownProfileError,
    profile_of_settings,
)
from qwen_ocr_serve.settings import BUNDLED_MODEL_NAME, ServeSettings

# Batches below this leave a GPU waiting for its memory.
_FEW_PAGES = 8


def plan_command(
    model: Annotated[
        str, typer.Option(help="Hugging Face id or directory; 'mini' is the bundled model.")
    ] = BUNDLED_MODEL_NAME,
    gpu_memory: Annotated[
        float, typer.Option(min=1, help="Memory of one GPU in GiB, as nvidia-smi shows it.")
    ] = 24,
    gpus: Annotated[int, typer.Option(min=1, help="GPUs that share the model.")] = 1,
    image_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Visual tokens of a page; the family's budget if unset."),
    ] = None,
    answer_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a page's text.")] = 2048,
    fp8_kv_cache: Annotated[
        bool, typer.Option("--fp8-kv-cache", help="Keep the KV cache in 8 bits.")
    ] = False,
) -> None:
    """Say whether a model fits into a GPU, with which flags, and how many pages at a time.

    Nothing is downloaded and no GPU is needed. The exit code is 1 if it does not fit or cannot be
    told.
    """
    settings = settings_or_exit(model=model, gpus=gpus)
    try:
        profile = profile_of_settings(settings)
    except (NoPicturesError, UnknownProfileError) as exc:
        typer.echo(f"error: {exc}", err=True)
        raise typer.Exit(1) from exc
    family = profile.family if profile else None
    load = memory.PageLoad(gpu_memory, gpus, image_tokens, answer_tokens, fp8_kv_cache)
    _warn(model, family, load)
    try:
        architecture = (
            of_directory(settings.local_model) if settings.local_model else of_published(model)
        )
        result = memory.plan_memory(architecture, family or QWEN3_VL, load)
    except UnknownArchitectureError as exc:
        typer.echo(f"error: {exc}", err=True)
        raise typer.Exit(1) from exc
    if result is None:
        typer.echo(
            f"error: how large the weights of {model} are depends on how they were compressed; "
            "download it and give its directory",
            err=True,
        )
        raise typer.Exit(1)
    if not architecture.exact:
        _warning(
            f"layers and heads of {model} were not compared with its config.json, so the cache is "
            "approximate; for exact numbers download it and give its directory"
        )
    _print(result, architecture, load)
    if not result.fits:
        raise typer.Exit(1)
    typer.echo("\nThe command that serves it:\n")
    typer.echo(f"  {_serve_command(settings, result.max_model_len, fp8_kv_cache=fp8_kv_cache)}")


def _serve_command(
    settings: ServeSettings, max_model_len: int | None, *, fp8_kv_cache: bool
) -> str:
    """What to type; `qwen-ocr serve --dry-run` shows what becomes of it."""
    words = ["qwen-ocr", "serve", "--model", settings.model]
    if settings.gpus > 1:
        words += ["--gpus", str(settings.gpus)]
    if max_model_len is not None:
        words += ["--max-model-len", str(max_model_len)]
    if fp8_kv_cache:
        words += ["--", "--kv-cache-dtype", "fp8"]
    return shlex.join(words)


def _warning(message: str) -> None:
    typer.echo(f"warning: {message}", err=True)


def _warn(model: str, family: Family | None, load: memory.PageLoad) -> None:
    if family is None:
        _warning(f"{model} is of no known family; its flags and page size are Qwen3-VL's")
    if "thinking" in model.lower() and (family is None or family.name != "qwen3.5"):
        _warning("a Thinking model reasons before it answers; for reading, take the Instruct one")
    if load.fp8_kv_cache and not serving.serving_of(family).fp8_kv_cache:
        _warning(f"nobody has shown that {model} still reads well with a KV cache in 8 bits")
    if load.image_tokens and family and load.image_tokens > family.max_tokens:
        _warning(f"an image of {family.name} has at most {family.max_tokens} tokens")


def _print(result: memory.MemoryPlan, architecture: Architecture, load: memory.PageLoad) -> None:
    where = f"{load.gpu_memory_gib:g} GiB"
    if load.gpus > 1:
        where = f"{load.gpus} GPUs of {where} (the numbers are for each)"
    typer.echo(f"{architecture.name} on {where}\n")
    for item in result:
        typer.echo(f"  {item.label:14} {item.size / memory.GIB:8.2f} GiB  {item.how}")
    typer.echo(f"  {'one token':14} {' ':12}  {memory.kv_formula(architecture, load)}\n")
    if not result.fits:
        typer.echo("It does not fit: take more or larger GPUs, an FP8 model or a smaller one.")
        return
    count = result.pages_in_flight
    typer.echo(
        f"It fits. {count} page{'s are' if count > 1 else ' is'} read at a time"
        f" (vLLM takes up to {memory.max_running(load.gpu_memory_gib)});"
        f" the cache holds {result.kv_tokens:,} tokens."
    )
    if count < _FEW_PAGES:
        typer.echo("That is few for a GPU: an FP8 model or a larger GPU reads more at a time.")
