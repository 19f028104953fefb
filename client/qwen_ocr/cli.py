"""The command line: text to stdout, everything else to stderr, exit code 1 if anything failed."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from qwen_ocr.errors import ImageError, OCRError
from qwen_ocr.prompts import DEFAULT_PROMPT

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    # A crash report must not print the API key.
    pretty_exceptions_show_locals=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qwen-ocr {version('qwen-ocr')}")
        raise typer.Exit


@app.callback(epilog="Example: qwen-ocr read receipt.png")
def main(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Read documents with Qwen-VL on your own hardware."""


@app.command(epilog="Example: qwen-ocr read page-1.png page-2.jpg > pages.txt")
def read(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Images: paths, http(s) URLs, or - for stdin."),
    ],
    prompt: Annotated[str, typer.Option(help="What to read, and how.")] = DEFAULT_PROMPT,
    base_url: Annotated[str | None, typer.Option(help="The server, or QWEN_OCR_BASE_URL.")] = None,
    api_key: Annotated[
        str | None, typer.Option(help="Better in QWEN_OCR_API_KEY, where `ps` does not show it.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model name, or QWEN_OCR_MODEL; the server's own if unset.")
    ] = None,
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
                    _complain(str(exc) if isinstance(exc, ImageError) else f"{name}: {exc}")
                    continue
                if len(files) > 1:
                    typer.echo(f"{gap}==> {name} <==")
                    gap = "\n"
                typer.echo(text)
    except OCRError as exc:
        failed = True
        _complain(str(exc))
    raise typer.Exit(1 if failed else 0)


def _complain(message: str) -> None:
    # One line each, whatever a server put into its message.
    typer.echo(f"qwen-ocr: {' '.join(message.split())}", err=True)
