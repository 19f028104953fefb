"""What every way of reading takes, by name."""

from typing import TypedDict

from qwen_ocr.errors import ConfigurationError


class ReadOptions(TypedDict, total=False):
    """The keyword arguments of `ocr`, `stream`, `ocr_many` and `ocr_pdf`; all may be left out."""

    max_tokens: int | None
    """Bounds the text, from 1. Without it the server does: ours gives an answer at most 16,384
    tokens, which no page reaches, the bundled model's 4,096, and neither more than the context
    has room for."""
    allow_truncated: bool
    """Return text that is cut off or ends in a loop, as its `finish_reason` tells, instead of
    raising `TruncatedError` or `RepetitionError`."""
    confidence: bool
    """Ask for `words` and `confidence` of the result; makes answers several times larger."""


def check_count(name: str, value: object) -> None:
    """Raise `ConfigurationError` unless `value` is a whole number from 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"{name}: {value!r} is not a whole number from 1")


def check_options(options: ReadOptions) -> None:
    """Raise `ConfigurationError` for an option that does not exist or makes no sense."""
    unknown = options.keys() - ReadOptions.__annotations__.keys()
    if unknown:
        raise ConfigurationError(f"no such option: {', '.join(sorted(unknown))}")
    if options.get("max_tokens") is not None:
        check_count("max_tokens", options["max_tokens"])
