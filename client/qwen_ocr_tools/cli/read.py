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
from qwen_ocr.prompts import check_prompt
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
    refuse_options,
)
from qwen_ocr_tools.cli.layout import Printer
from qwen_ocr_tools.exports.formats import Format

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
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="With boxes: json, hocr, alto, and pdf, which looks like the scan and can be "
            "searched.",
        ),
    ] = "text",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A folder for a file of each document, or the file of one. A file that is there "
            "stays, and its document counts as failed.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
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
    password: Annotated[str | None, typer.Option(help="Of encrypted PDFs.")] = None,
    text_layer: Annotated[
        bool,
        typer.Option(
            "--text-layer", help="Take the text of pages that a program has made from the PDF."
        ),
    ] = False,
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
    """Read images and PDFs, and print their text or write a file of each.

    Text and JSON on standard output come from the model as it answers --prompt or --task; several
    pages are printed under a header each, as `head` does with files. All other formats, -o,
    --password and --text-layer are about documents: the server turns their pages upright and finds
    what stands where. Pictures of a page go into a folder beside its Markdown file.

    A page that fails is reported on stderr, and the others are still read; so is one that the model
    is not sure of, or has found no text on.
    """
    # Here, so that --help does not wait for the SDK.
    from qwen_ocr.async_client import AsyncOCRClient

    with exit_codes():
        as_documents = {
            f"--format {form}": form not in ("text", "json", "markdown"),
            "-o": output,
            "--password": password,
            "--text-layer": text_layer,
        }
        by_prompt = {"--prompt": prompt is not None, "--task": task}
        for option, value in by_prompt.items():
            if value:
                refuse_options(option, as_documents | {"--force": force})
        chosen = next((option for option, value in as_documents.items() if value), None)
        if form == "markdown" and not any(by_prompt.values()):
            chosen = "--format markdown without --task markdown"
        words = prompt_of(prompt, task)
        check_prompt(words)
        for name in files:
            _refuse_folder(name)
        client = AsyncOCRClient(
            base_url, api_key=api_key, model=model, max_image_tokens=max_image_tokens
        )
        if chosen:
            from qwen_ocr_tools.cli.documents import read_documents
            from qwen_ocr_tools.exports.writing import DocumentSpec

            of_prompts: dict[str, object] = {
                "--confidence": confidence,
                "--dpi": dpi,
                "--max-image-tokens": max_image_tokens,
                "--max-tokens": max_tokens,
                "--allow-truncated": allow_truncated,
            }
            refuse_options(chosen, of_prompts)
            spec = DocumentSpec(
                form,
                pages=pages,
                password=password,
                text_layer="prefer" if text_layer else "never",
                min_confidence=min_confidence,
            )
            complete = asyncio.run(read_documents(client, files, spec, output, force=force))
        else:
            refuse_options("standard output", {"--force": force})
            options = ReadOptions(
                max_tokens=max_tokens,
                confidence=confidence,
                min_confidence=min_confidence,
                allow_truncated=allow_truncated,
            )
            printer = Printer(form, confidence, several=len(files) > 1)
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
    from qwen_ocr.page_ranges import page_numbers
    from qwen_ocr_tools.batch.documents import Page, open_argument
    from qwen_ocr_tools.batch.reading import Job

    for name in files:
        document = open_argument(name)
        wanted = selected if document.kind == "pdf" else None
        for number in page_numbers(wanted, document.page_count):
            yield Job(Page(document, number))
