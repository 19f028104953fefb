"""Which pages of a document are meant: `"1-3,7,12-"`, or a list of numbers. Pages count from 1."""

import re
from collections.abc import Iterable, Iterator

from qwen_ocr.errors import ConfigurationError

_RANGE = re.compile(r"\s*(\d{1,9})\s*(?:(-)\s*(\d{1,9})?)?\s*", re.ASCII)

PageRange = tuple[int, int | None]
"""The first page and the last; None for the last of the document."""


def parse_pages(pages: str | Iterable[int]) -> list[PageRange]:
    """The ranges in the order that they were given, one at least.

    Raises `ConfigurationError` for what is no such text and no numbers, and for pages before the
    first.
    """
    if not isinstance(pages, Iterable):
        raise ConfigurationError(f'pages: {pages!r} is not like "1-3,7" or [1, 7]')
    ranges = list(_of_text(pages) if isinstance(pages, str) else _of_numbers(pages))
    if not ranges:
        raise ConfigurationError("pages: none selected")
    return ranges


def page_numbers(pages: str | Iterable[int] | None, count: int) -> list[int]:
    """The numbers of `count` pages that are meant; None is all.

    Raises `ConfigurationError` as `parse_pages`, and for pages that the document does not have.
    """
    if pages is None:
        return list(range(1, count + 1))
    numbers: list[int] = []
    for first, last in parse_pages(pages):
        end = count if last is None else last
        if max(first, end) > count:
            raise ConfigurationError(f"pages: there is no page {max(first, end)} among {count}")
        numbers += range(first, end + 1)
    return numbers


def _of_text(pages: str) -> Iterator[PageRange]:
    for part in pages.split(","):
        match = _RANGE.fullmatch(part)
        if not match or int(match[1]) < 1:
            raise ConfigurationError(f'pages: {part!r} is not like "3", "1-3" or "5-"')
        first, dash, last = match.groups()
        if last and int(last) < int(first):
            raise ConfigurationError(f"pages: {part!r} ends before it begins")
        yield int(first), int(last) if last else None if dash else int(first)


def _of_numbers(pages: Iterable[int]) -> Iterator[PageRange]:
    for number in pages:
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ConfigurationError(f"pages: {number!r} is not a number from 1")
        yield number, number
