"""`qwen-ocr models`: which checkpoints are known, and what is published about them."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from qwen_ocr.profiles import PROFILES, profile_named
from qwen_ocr_serve.models.architecture import UnknownArchitectureError, of_published
from qwen_ocr_serve.models.checkpoints import CHECKPOINTS, STARTED, Checkpoint

_WIDTH = 200
"""Columns where the output is no terminal, so that no line breaks."""


def models_command(
    find: Annotated[
        str, typer.Argument(help="Only those whose name or profile has this in it.")
    ] = "",
) -> None:
    """List the checkpoints that are known: profile, weights, licence, published score.

    Others can be served, too: fine-tuned ones from their directory, with --profile if they were
    trained for prompts of their own. Scores are of olmOCR-bench, as their source gives them;
    `qwen-ocr eval` measures on your pages.
    """
    table = Table(box=None, pad_edge=False)
    for title in ("model", "profile", "weights", "licence", "score", "source", "seen"):
        table.add_column(title, justify="right" if title in ("weights", "score") else "left")
    wanted = find.lower()
    for row in CHECKPOINTS:
        if wanted in row.model.lower() or wanted in row.profile:
            score = "" if row.score is None else f"{row.score:.1f}"
            table.add_row(
                *(row.model, row.profile, _weights(row), row.licence, score, row.source, _seen(row))
            )
    console = Console(soft_wrap=True)
    console.width = max(console.width, _WIDTH)
    console.print(table)
    names = ", ".join(sorted(profile.name for profile in PROFILES))
    typer.echo(f"\nProfiles for --profile: {names}")
    typer.echo("started: with random weights of few layers; its own weights were not run here.")


def _weights(row: Checkpoint) -> str:
    try:
        size = of_published(row.model).weights_bytes
    except UnknownArchitectureError:
        size = None
    return "" if size is None else f"{size / 1e9:.1f} GB"


def _seen(row: Checkpoint) -> str:
    profile = profile_named(row.profile)
    return "started" if profile and profile.family.name in STARTED else ""
