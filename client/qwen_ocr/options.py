"""What every way of reading takes, by name."""

from collections.abc import Iterable
from typing import Literal, TypedDict

from qwen_ocr.errors import ConfigurationError


class ReadOptions(TypedDict, total=False):
    """The keyword arguments of `ocr`, `stream` and `ocr_many`; all may be left out."""

    max_tokens: int | None
    """Bounds the text, from 1. Without it the server does: ours gives an answer at most 16,384
    tokens, which no page reaches, the bundled model's 4,096, and neither more than the context
    has room for."""
    allow_truncated: bool
    """Return text that is cut off or ends in a loop, as its `finish_reason` tells, instead of
    raising `TruncatedError` or `RepetitionError`."""
    confidence: bool
    """Fill in `words` of the result. `confidence` and `warnings` are always there, so the server is
    asked for the log-probability of each token in any case. That makes an answer 5 to 15 times
    larger (12 kB instead of 0.8 kB for 140 tokens) and takes the server's HTTP process about 50 µs
    for each token; the bundled model, whose own steps are small, reads a tenth to a fifth fewer
    pages for it (measured roughly, on two busy cores)."""
    min_confidence: float | None
    """Raise `LowConfidenceError`, which has the result, for a page whose confidence is below this,
    0 to 1, or is not known; a page without text counts as below it."""


class DocumentOptions(TypedDict, total=False):
    """The keyword arguments of `read_document` and `stream_document`; all may be left out."""

    pages: str | Iterable[int] | None
    """Numbers from 1, such as `"1-3,7,12-"` or `[1, 7]`; all if left out."""
    blocks: bool
    """Fill in `Page.blocks`, with the lines of each and where they are."""
    figures: bool
    """Fill in `Figure.data`."""
    confidence: bool
    """Fill in `Page.words`."""
    text_layer: Literal["never", "prefer"]
    """`prefer` takes the text of pages that a program has made from the PDF; `never` is the
    default."""
    password: str | None
    """Of an encrypted PDF."""


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
    least = options.get("min_confidence")
    if least is not None and not (isinstance(least, int | float) and 0 <= least <= 1):
        raise ConfigurationError(f"min_confidence: {least!r} is not a number from 0 to 1")
