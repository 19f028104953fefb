"""What the route that renders a PDF's page refuses before it renders."""

import pytest
from starlette.requests import Request

from qwen_ocr_serve.api import pages
from qwen_ocr_serve.http.errors import APIError


async def test_a_busy_renderer_says_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_MAX_WAITING", 0)
    with pytest.raises(APIError) as caught:
        await pages.page_picture(Request({"type": "http", "headers": []}))
    assert (caught.value.status, caught.value.code) == (503, "queue_full")
    assert int(caught.value.headers["retry-after"]) >= 1
