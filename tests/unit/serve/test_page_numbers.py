"""Which pages a request of `POST /v1/ocr` means."""

import pytest

from qwen_ocr_serve.api.document_request import MAX_PAGES, page_numbers
from qwen_ocr_serve.http.errors import APIError


@pytest.mark.parametrize(
    ("pages", "count", "numbers"),
    [
        (None, 3, [0, 1, 2]),
        ([2, 0], 3, [2, 0]),
        ("0,2-4, 7-", 9, [0, 2, 3, 4, 7, 8]),
        ("1", 3, [1]),
        ("0-", MAX_PAGES, list(range(MAX_PAGES))),
    ],
)
def test_pages(pages: list[int] | str | None, count: int, numbers: list[int]) -> None:
    assert page_numbers(pages, count) == numbers


@pytest.mark.parametrize(
    ("pages", "count", "code"),
    [
        ([], 3, "invalid_request"),
        ([3], 3, "invalid_request"),
        ([-1], 3, "invalid_request"),
        ("3", 3, "invalid_request"),
        ("2-1", 3, "invalid_request"),
        ("0-99999999", 3, "invalid_request"),
        ("9" * 5000, 3, "invalid_request"),
        ("٣", 9, "invalid_request"),
        ("a", 3, "invalid_request"),
        ("", 3, "invalid_request"),
        (None, MAX_PAGES + 1, "too_many_pages"),
        # A million times all pages: no list of them may be made.
        ("0-," * 1_000_000 + "0", MAX_PAGES, "too_many_pages"),
    ],
)
def test_pages_that_are_refused(pages: list[int] | str | None, count: int, code: str) -> None:
    with pytest.raises(APIError) as caught:
        page_numbers(pages, count)
    assert caught.value.code == code
