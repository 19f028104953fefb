"""`read`: text to stdout, everything else to stderr, exit code 1 if anything failed."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from qwen_ocr.cli.common import (
    AllowTruncated,
    ApiKey,
    BaseUrl,
    Dpi,
    MaxTokens,
    ModelName,
    Prompt,
    TaskName,
    complain,
    exit_codes,
    prompt_of,
)
from qwen_ocr.cli.layout import Format, Printer
from qwen_ocr.options import ReadOptions
from qwen_ocr.prompts import DEFAULT_PROMPT, Task, check_prompt

if TYPE_CHECKING:
    from qwen_ocr.async_client import AsyncOCRClient
    from qwen_ocr.jobs.reading import Job


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
    dpi: Dpi = None,
    max_tokens: MaxTokens = None,
    allow_truncated: AllowTruncated = False,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    model: ModelName = None,
) -> None:
    """Print the text of images and PDFs.

    Several pages are printed under a header each, as `head` does with files. A page that fails is
    reported on stderr, and the others are still read.
    """
    # Here, so that --help does not wait for the SDK.
    from qwen_ocr.async_client import AsyncOCRClient

    with exit_codes():
        default = Task.MARKDOWN if output_format == "markdown" else DEFAULT_PROMPT
        words = prompt_of(prompt, task, default)
        check_prompt(words)
        options = ReadOptions(
            max_tokens=max_tokens, confidence=confidence, allow_truncated=allow_truncated
        )
        client = AsyncOCRClient(base_url, api_key=api_key, model=model)
        printer = Printer(output_format, confidence)
        complete = asyncio.run(_read_all(client, files, words, options, dpi, printer))
    raise typer.Exit(0 if complete else 1)


async def _read_all(
    client: "AsyncOCRClient",
    files: list[str],
    prompt: str,
    options: ReadOptions,
    dpi: float | None,
    printer: Printer,
) -> bool:
    """Read and print all pages; tell whether none failed."""
    from qwen_ocr.batch import CONCURRENCY, run_many_async
    from qwen_ocr.jobs.documents import PageImages
    from qwen_ocr.jobs.reading import Reader
    from qwen_ocr.pdf import DEFAULT_DPI, check_dpi

    dpi = DEFAULT_DPI if dpi is None else dpi
    check_dpi(dpi)
    complete = True
    with PageImages(dpi) as images:
        async with client:
            outcomes = run_many_async(
                Reader(client, images, prompt, options).read,
                _pages(files),
                concurrency=CONCURRENCY,
                ordered=True,
            )
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    page = outcome.input.page
                    if outcome.result:
                        several = len(files) > 1 or page.document.page_count > 1
                        printer.show(page, outcome.result, titled=several)
                    elif outcome.error:
                        complete = False
                        complain(page.complaint(outcome.error))
    return complete


def _pages(files: list[str]) -> Iterator["Job"]:
    from qwen_ocr.jobs.documents import open_argument
    from qwen_ocr.jobs.reading import Job

    for name in files:
        document = open_argument(name)
        yield from (Job(page) for page in document.pages)
