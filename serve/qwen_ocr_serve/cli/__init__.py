"""The command line: `qwen-ocr` and `python -m qwen_ocr_serve.cli`."""

import sys


def main() -> None:
    """Run the command line; the process ends with the command's exit code."""
    # Here, so that whoever installed the client alone is told what is missing.
    try:
        from qwen_ocr_serve.cli.app import app
    except ModuleNotFoundError as exc:
        if exc.name != "typer":
            raise
        sys.exit("error: the command line is not installed: run pip install 'qwen-ocr[cli]'")
    app(prog_name="qwen-ocr")
