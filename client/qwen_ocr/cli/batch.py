"""`batch`: many files into one file of JSON lines, which can be stopped and resumed."""

import asyncio
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from qwen_ocr.cli.common import (
    AllowTruncated,
    ApiKey,
    BaseUrl,
    Confidence,
    Dpi,
    MaxTokens,
    ModelName,
    Prompt,
    TaskName,
    exit_codes,
    prompt_of,
)
from qwen_ocr.options import ReadOptions
from qwen_ocr.settings import ClientSettings


def batch(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT", help="Files, folders, quoted patterns, or - for a list on stdin."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="One JSON line a page; resumed if it is there.")
    ],
    prompt: Prompt = None,
    task: TaskName = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Read pages again that an earlier run could not.")
    ] = False,
    sidecar: Annotated[
        bool, typer.Option("--sidecar", help="Write page.txt beside page.png, too.")
    ] = False,
    sidecar_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write these text files below this folder instead."),
    ] = None,
    searchable_pdf: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write searchable PDFs below this folder, too. PDFs that are there are not read.",
        ),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Pages at a time; what the server takes if unset.")
    ] = None,
    dpi: Dpi = None,
    max_tokens: MaxTokens = None,
    confidence: Confidence = False,
    allow_truncated: AllowTruncated = False,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    model: ModelName = None,
) -> None:
    """Read many images and PDFs into one file of JSON lines.

    Run the same command again after Ctrl-C, a crash or a power cut: it goes on where it was, and
    the finished file has every page once. Lines are in the order in which pages were done; failed
    pages have "error" in place of "text". A file that has changed since is read again.

    Exit code: 0 all pages have their text, 1 a page failed or the batch could not go on, 2 wrong
    usage, 130 Ctrl-C.
    """
    # Here, so that --help does not wait for the SDK.
    from qwen_ocr.jobs.archive import Archive
    from qwen_ocr.jobs.inputs import Inputs
    from qwen_ocr.jobs.run import Plan, run_batch

    archive = Archive(sidecar or sidecar_dir is not None, sidecar_dir, searchable_pdf)
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # file names can be any bytes
    with exit_codes():
        complete = asyncio.run(
            run_batch(
                Plan(
                    inputs=Inputs(inputs, sys.stdin, excluded=searchable_pdf),
                    output=output,
                    prompt=prompt_of(prompt, task),
                    options=ReadOptions(
                        max_tokens=max_tokens,
                        confidence=confidence,
                        allow_truncated=allow_truncated,
                    ),
                    settings=ClientSettings.load(base_url=base_url, api_key=api_key, model=model),
                    archive=archive,
                    dpi=dpi,
                    concurrency=concurrency,
                    retry_failed=retry_failed,
                )
            )
        )
    raise typer.Exit(0 if complete else 1)
