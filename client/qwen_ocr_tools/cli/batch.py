"""`batch`: many files into one file of JSON lines, which can be stopped and resumed."""

import asyncio
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from qwen_ocr.errors import ConfigurationError
from qwen_ocr.options import ReadOptions
from qwen_ocr.settings import ClientSettings
from qwen_ocr_tools.cli.common import (
    AllowTruncated,
    ApiKey,
    Confidence,
    Dpi,
    MaxTokens,
    MinConfidence,
    ModelName,
    Prompt,
    TaskName,
    exit_codes,
    prompt_of,
    refuse_options,
)
from qwen_ocr_tools.exports.formats import Format


def batch(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Files, folders, quoted patterns, - for a list on stdin, or URLs for --ray.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="One JSON line a page; resumed if it is there. Parquet if it ends in .parquet. "
            "With --format, a folder.",
        ),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Write a file of each document instead."),
    ] = None,
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
    requests: Annotated[
        Path | None,
        typer.Option(
            "--write-requests",
            metavar="FILE",
            help="Read nothing, and write the requests as a file for `vllm run-batch`.",
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            "--read-answers",
            metavar="FILE",
            help="Ask no server, and take the texts from what `vllm run-batch` wrote.",
        ),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Pages at a time; what the server takes if unset.")
    ] = None,
    dpi: Dpi = None,
    max_tokens: MaxTokens = None,
    confidence: Confidence = False,
    min_confidence: MinConfidence = None,
    allow_truncated: AllowTruncated = False,
    ray: Annotated[
        bool, typer.Option("--ray", help="Read in Ray's workers, on the cluster of RAY_ADDRESS.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Ray's workers; one for each CPU if unset.")
    ] = None,
    base_url: Annotated[
        list[str] | None,
        typer.Option(help="The server, or QWEN_OCR_BASE_URL; several times for several servers."),
    ] = None,
    api_key: ApiKey = None,
    model: ModelName = None,
) -> None:
    """Read many images and PDFs into one file of JSON lines.

    Run the same command again after Ctrl-C, a crash or a power cut: it goes on where it was, and
    the finished file has every page once. Lines are in the order in which pages were done; failed
    pages have "error" in place of "text", and pages that the model is not sure of, or has found no
    text on, have "warnings" and are counted as flagged. A file that has changed is read again.

    --write-requests and --read-answers are the two halves of a batch without a server: what
    `vllm run-batch -i requests.jsonl -o answers.jsonl --model MODEL` makes of the one goes into the
    other, with the same inputs and the same prompt.

    --format writes a file of each document, as `read --format -o` does. Documents that have their
    file are not read again, so the same command goes on where it was.

    --ray spreads the reading over the Ray cluster of RAY_ADDRESS, or over this machine's CPUs if it
    is unset. The output is the same, and each of the two goes on where the other was stopped.

    Exit code: 0 all pages have their text, 1 a page failed or the batch could not go on, 2 wrong
    usage, 130 Ctrl-C.
    """
    # Here, so that --help does not wait for the SDK.
    from qwen_ocr_tools.batch.archive import Archive
    from qwen_ocr_tools.batch.batch import BatchSpec
    from qwen_ocr_tools.batch.exporting import ExportSpec, export_batch
    from qwen_ocr_tools.batch.inputs import Inputs
    from qwen_ocr_tools.batch.requests import RequestsSpec, write_requests
    from qwen_ocr_tools.batch.run import run_batch
    from qwen_ocr_tools.exports.writing import DocumentSpec

    archive = Archive(sidecar or sidecar_dir is not None, sidecar_dir, searchable_pdf)
    beside: dict[str, object] = {
        "--sidecar": sidecar,
        "--sidecar-dir": sidecar_dir,
        "--searchable-pdf": searchable_pdf,
    }
    fleet = {"--ray": ray, "--workers": workers, "--concurrency": concurrency}
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # file names can be any bytes
    with exit_codes():
        if ray:
            refuse_options(
                "--ray", beside | {"--write-requests": requests, "--read-answers": answers}
            )
            import qwen_ocr_tools.batch.ray_batch  # noqa: F401 - says what is not installed
        elif workers:
            raise ConfigurationError("--workers has no meaning without --ray: leave it out")
        files = Inputs(
            inputs, sys.stdin, excluded=output if form == "pdf" else searchable_pdf, urls=ray
        )
        question = prompt_of(prompt, task)
        options = ReadOptions(
            max_tokens=max_tokens,
            confidence=confidence,
            min_confidence=min_confidence,
            allow_truncated=allow_truncated,
        )
        servers = [
            ClientSettings.load(base_url=url, api_key=api_key, served_model_name=model)
            for url in (base_url or (None,))
        ]
        if form is not None:
            if output is None:
                raise ConfigurationError("--output: say which folder the files are to go into")
            lines: dict[str, object] = {
                "--prompt": prompt,
                "--task": task,
                "--retry-failed": retry_failed,
                "--write-requests": requests,
                "--read-answers": answers,
                "--dpi": dpi,
                "--max-tokens": max_tokens,
                "--confidence": confidence,
                "--allow-truncated": allow_truncated,
                "--ray": ray,
            }
            refuse_options(f"--format {form}", beside | lines)
            documents = DocumentSpec(form, figures=True, min_confidence=min_confidence)
            complete = asyncio.run(
                export_batch(ExportSpec(files, output, documents, servers, concurrency))
            )
        elif requests is not None:
            other = {"--retry-failed": retry_failed, "--output": output, "--read-answers": answers}
            refuse_options("--write-requests", beside | fleet | other)
            complete = asyncio.run(
                write_requests(RequestsSpec(files, requests, question, options, servers[0], dpi))
            )
        elif output is None:
            raise ConfigurationError("--output: say which file the lines are to go into")
        else:
            if answers is not None:
                refuse_options("--read-answers", fleet)
            complete = asyncio.run(
                run_batch(
                    BatchSpec(
                        inputs=files,
                        output=output,
                        prompt=question,
                        options=options,
                        servers=servers,
                        archive=archive,
                        dpi=dpi,
                        concurrency=concurrency,
                        retry_failed=retry_failed,
                        answers=answers,
                        ray=ray,
                        workers=workers,
                    )
                )
            )
    raise typer.Exit(0 if complete else 1)
