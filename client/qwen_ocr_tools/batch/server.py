"""What a batch needs to know of servers: whether they are there, and how much they do at a time."""

from collections.abc import Sequence

import httpx2
from pydantic import BaseModel, Field, ValidationError

from qwen_ocr.batch import CONCURRENCY
from qwen_ocr.errors import OCRConnectionError, OCRError, OverloadedError
from qwen_ocr.settings import ClientSettings

MOST = 128
"""Pages that one process asks for at a time at most, whatever servers say: a page of a PDF, A4 at
200 dots per inch, is an image of 12 MB for as long as it is being read."""
TIMEOUT = 10.0
"""Seconds to wait for `/health`, which a busy server answers late."""


class _Health(BaseModel):
    max_concurrent: int = Field(ge=1)


def find_concurrency(settings: ClientSettings) -> int:
    """Pages to ask a server for at a time: what it works on at once, `CONCURRENCY` if it is mute.

    `/health` needs no key. Other servers than ours may lack it or answer differently. Raises
    `OCRConnectionError` when nothing answers, `OverloadedError` when the server is not ready.
    """
    url = f"{settings.base_url}/health"
    try:
        answer = httpx2.get(url, timeout=TIMEOUT)
    except httpx2.HTTPError as exc:
        raise OCRConnectionError(
            f"no answer from {url} ({exc}): is the server running? Start one with `qwen-ocr "
            "serve`, or set QWEN_OCR_BASE_URL to where it is"
        ) from exc
    if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
        raise OverloadedError(f"{url}: the server is not ready, or its engine is dead", status=503)
    try:
        return min(_Health.model_validate_json(answer.content).max_concurrent, MOST)
    except ValidationError:
        return CONCURRENCY


def find_total(servers: Sequence[ClientSettings]) -> int:
    """The same of several servers together, all of which have to be ready."""
    return sum(map(find_concurrency, servers))


def check_any(servers: Sequence[ClientSettings]) -> None:
    """Raise what `find_concurrency` does for the last of the servers, if none of them is ready."""
    failure: OCRError | None = None
    for settings in servers:
        try:
            find_concurrency(settings)
        except (OCRConnectionError, OverloadedError) as exc:
            failure = exc
        else:
            return
    assert failure, "there is at least one server"
    raise failure
