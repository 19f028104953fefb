"""What the commands share: options, and how a failure is told."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Literal

import typer

from qwen_ocr.errors import ConfigurationError, OCRError, PromptError
from qwen_ocr.prompts import DEFAULT_PROMPT, Task

BaseUrl = Annotated[str | None, typer.Option(help="The server, or QWEN_OCR_BASE_URL.")]
ApiKey = Annotated[
    str | None, typer.Option(help="Better in QWEN_OCR_API_KEY, where `ps` does not show it.")
]
ModelName = Annotated[
    str | None,
    typer.Option(help="Model name, or QWEN_OCR_SERVED_MODEL_NAME; the server's own if unset."),
]
Prompt = Annotated[str | None, typer.Option(help="What to read, and how, in your own words.")]
TaskName = Annotated[
    Literal["text", "markdown", "html", "table", "formula", "spot"] | None,
    typer.Option(help="What to read, and how: a prompt that is ready; `text` if unset."),
]
Dpi = Annotated[
    float | None, typer.Option(help="Dots per inch at which PDFs are rendered; 200 if unset.")
]
MaxTokens = Annotated[
    int | None, typer.Option(min=1, help="Longest text of a page; what the model can if unset.")
]
Confidence = Annotated[
    bool, typer.Option("--confidence", help="Keep how sure the model was of each word, too.")
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Take a page that the model is less sure of, or without text, as failed."
    ),
]
AllowTruncated = Annotated[
    bool, typer.Option("--allow-truncated", help="Take text that is cut off, too.")
]


def prompt_of(prompt: str | None, task: str | None, default: str = DEFAULT_PROMPT) -> str:
    """The prompt that `--prompt` or `--task` asks for; `ConfigurationError` for both."""
    if prompt is not None and task is not None:
        raise ConfigurationError("--prompt and --task: give one of them")
    if task is not None:
        return Task[task.upper()]
    return default if prompt is None else prompt


def refuse_options(why: str, others: Mapping[str, object]) -> None:
    """Raise `ConfigurationError` for the first of the others that is set."""
    for other, value in others.items():
        if value:
            raise ConfigurationError(f"{other} has no meaning with {why}: leave it out")


def complain(message: str) -> None:
    """Print one line to stderr, whatever a server put into its message."""
    typer.echo(f"qwen-ocr: {' '.join(message.split())}", err=True)


@contextmanager
def exit_codes() -> Iterator[None]:
    """End with one line on stderr for an error: exit code 2 if the call makes no sense, else 1."""
    try:
        yield
    except OCRError as exc:
        complain(str(exc))
        raise typer.Exit(2 if isinstance(exc, ConfigurationError | PromptError) else 1) from exc
