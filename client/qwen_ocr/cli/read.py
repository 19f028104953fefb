"""`read`: text to stdout, everything else to stderr, exit code 1 if anything failed."""

import sys
from typing import Annotated

import typer

from qwen_ocr.cli.common import ApiKey, BaseUrl, ModelName, complain
from qwen_ocr.errors import ImageError, OCRError
from qwen_ocr.prompts import DEFAULT_PROMPT


def read(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Images: paths, http(s) URLs, or - for stdin."),
    ],
    prompt: Annotated[str, typer.Option(help="What to read, and how.")] = DEFAULT_PROMPT,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    model: ModelName = None,
    allow_truncated: Annotated[
        bool, typer.Option("--allow-truncated", help="Print text that is cut off, too.")
    ] = False,
) -> None:
    """Print the text of images.

    The text of several files is printed under a header each, as `head` does. A file that fails is
    reported on stderr, and the others are still read.
    """
    # Here, so that --help does not wait for the SDK.
    from qwen_ocr.client import OCRClient

    failed = False
    gap = ""
    try:
        with OCRClient(base_url, api_key=api_key, model=model) as client:
            for name in files:
                image = sys.stdin.buffer if name == "-" else name
                try:
                    text = client.ocr(image, prompt, allow_truncated=allow_truncated).text
                except OCRError as exc:
                    failed = True
                    # The message of an image error begins with the file's name.
                    complain(str(exc) if isinstance(exc, ImageError) else f"{name}: {exc}")
                    continue
                if len(files) > 1:
                    typer.echo(f"{gap}==> {name} <==")
                    gap = "\n"
                typer.echo(text)
    except OCRError as exc:
        failed = True
        complain(str(exc))
    raise typer.Exit(1 if failed else 0)
