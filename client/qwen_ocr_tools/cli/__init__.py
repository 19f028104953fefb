"""The client's commands, one module each; `app` is the command line that they make up."""

from importlib.metadata import version
from typing import Annotated

import typer

from qwen_ocr_tools.cli.batch import batch
from qwen_ocr_tools.cli.eval import evaluate
from qwen_ocr_tools.cli.extract import extract
from qwen_ocr_tools.cli.mcp import mcp
from qwen_ocr_tools.cli.read import read

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # joins the lines of a paragraph
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


app.command(epilog="Example: qwen-ocr read page-1.png page-2.jpg > pages.txt")(read)
app.command(epilog="Example: qwen-ocr batch scans/ 'more/**/*.pdf' -o pages.jsonl")(batch)
app.command(epilog="Example: qwen-ocr extract invoice.png --schema invoice.json")(extract)
app.command(epilog="Example: qwen-ocr mcp --root ~/Documents")(mcp)
app.command("eval", epilog="Example: qwen-ocr eval pages/ --baseline tesseract -o report/")(
    evaluate
)
