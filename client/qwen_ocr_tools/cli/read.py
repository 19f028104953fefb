"""`read`: text to stdout, everything else to stderr, exit code 1 if anything failed."""

import asyncio
import shlex
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qwen_ocr.errors import ConfigurationError, UnsupportedTaskError
from qwen_ocr.options import ReadOptions
from qwen_ocr.prompts import DEFAULT_PROMPT, Task, check_prompt
from qwen_ocr_tools.cli.common import (
    AllowTruncated,
    ApiKey,
    BaseUrl,
    Dpi,
    MaxTokens,
    MinConfidence,
    ModelName,
    Prompt,
    TaskName,
    complain,
    exit_codes,
    prompt_of,
)
from qwen_ocr_tools.cli.layout import Format, Printer

if TYPE_CHECKING:
    from qwen_ocr.async_client import AsyncOCRClient
    from qwen_ocr_tools.batch.reading import Job


def read(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Images and PDFs: paths, http(s) URLs of images, - for stdin."
        ),
    ],
    prompt: Prompt = None,
    task: TaskName = None,
    output_format: Annotated[
        Format,
        typer.Option(
            "--format", help="Plain text, a line of JSON a page, or Markdown, if the model can."
        ),
    ] = "text",
    confidence: Annotated[
        bool,
        typer.Option(
            "--confidence", help="Mark doubtful words, on a terminal in colour, else [?]."
        ),
    ] = False,
    min_confidence: MinConfidence = None,
    pages: Annotated[
        str | None, typer.Option(help="Pages of PDFs, such as 1-3,7,12-; all if unset.")
    ] = None,
    dpi: Dpi = None,
    max_image_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Visual tokens that a page may cost; larger ones are shrunk."),
    ] = None,
    max_tokens: MaxTokens = None,
    allow_truncated: AllowTruncated = False,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    model: ModelName = None,
) -> None:
    """Print the text of images and PDFs.

    Several pages are printed under a header each, as `head` does with files. A page that fails is
    reported on stderr, and the others are still read; so is one that the model is not sure of, or
    has found no text on.
    """
    # Here, so that --help does not wait for the SDK.
    from qwen_ocr.async_client import AsyncOCRClient

    with exit_codes():
        default = Task.MARKDOWN if output_format == "markdown" else DEFAULT_PROMPT
        words = prompt_of(prompt, task, default)
        check_prompt(words)
        for name in files:
            _refuse_folder(name)
        options = ReadOptions(
            max_tokens=max_tokens,
            confidence=confidence,
            min_confidence=min_confidence,
            allow_truncated=allow_truncated,
        )
        client = AsyncOCRClient(
            base_url, api_key=api_key, model=model, max_image_tokens=max_image_tokens
        )
        printer = Printer(output_format, confidence, several=len(files) > 1)
        jobs = _pages(files, pages)
        complete = asyncio.run(_read_all(client, jobs, words, options, dpi, printer))
    raise typer.Exit(0 if complete else 1)


async def _read_all(
    client: "AsyncOCRClient",
    jobs: Iterator["Job"],
    prompt: str,
    options: ReadOptions,
    dpi: float | None,
    printer: Printer,
) -> bool:
    """Read and print all pages; tell whether none failed. Raises what each of them would."""
    from qwen_ocr.batch import CONCURRENCY, run_many_async
    from qwen_ocr.pdf import DEFAULT_DPI, check_dpi
    from qwen_ocr_tools.batch.documents import PageImages
    from qwen_ocr_tools.batch.reading import Reader

    dpi = DEFAULT_DPI if dpi is None else dpi
    check_dpi(dpi)
    complete = True
    with PageImages(dpi) as images:
        async with client:
            outcomes = run_many_async(
                Reader(client, images, prompt, options).read,
                jobs,
                concurrency=CONCURRENCY,
                ordered=True,
            )
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    page = outcome.input.page
                    if outcome.result:
                        printer.show(page, outcome.result)
                    elif isinstance(outcome.error, UnsupportedTaskError):
                        raise outcome.error
                    elif outcome.error:
                        complete = False
                        complain(page.complaint(outcome.error))
    return complete


def _refuse_folder(name: str) -> None:
    if name != "-" and Path(name).is_dir():
        raise ConfigurationError(
            f"{name}: a folder; use qwen-ocr batch {shlex.quote(name)} -o pages.jsonl"
        )


def _pages(files: list[str], selected: str | None) -> Iterator["Job"]:
    from qwen_ocr.pdf import page_numbers
    from qwen_ocr_tools.batch.documents import Page, open_argument
    from qwen_ocr_tools.batch.reading import Job

    for name in files:
        document = open_argument(name)
        wanted = selected if document.kind == "pdf" else None
        for number in page_numbers(wanted, document.page_count):
            yield Job(Page(document, number))
