"""Pages for a model that reads blocks of text: in pieces, through vLLM's own chat handler.

One piece of code for every way in: chat completions, streamed or not, the replaced service's route
and `/v1/ocr`.
"""

import asyncio
import base64
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from http import HTTPStatus
from typing import Any

from starlette.datastructures import State
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

from qwen_ocr.confidence import Token
from qwen_ocr.repetition import REPETITION, SERVER_DETECTION, TEMPERATURES
from qwen_ocr_serve.api.engine_chat import OnText, complete_chat
from qwen_ocr_serve.documents.files import DocumentFile
from qwen_ocr_serve.documents.lines import Box
from qwen_ocr_serve.documents.reading import Answer
from qwen_ocr_serve.documents.workers import AnalysedPage, PageError, PageWorkers
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.images.connector import load_bytes, size_of
from qwen_ocr_serve.models.serving import served_family
from qwen_ocr_serve.settings import MAX_PIECES

_LONGEST_PIECE = 256
"""Tokens of a piece's text. Its longest has some 90 characters, in which a token may be one."""
_MOST_PIECES = 2000
"""Of one page. A newspaper has some 600."""
_ATTEMPTS = 2
"""Times that a piece is read whose text ends in a loop."""
_Part = dict[str, Any]


@cache
def page_workers() -> PageWorkers:
    """The processes that analyse pages for this server."""
    return PageWorkers.for_machine()


@cache
def _gate() -> asyncio.Semaphore:
    return asyncio.Semaphore(MAX_PIECES)


def image_part(messages: object) -> _Part | None:
    """The one part of a conversation that is an image; None if there is none, or several."""
    found = []
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, Mapping) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and not {"image_url", "input_image"}.isdisjoint(
                {part.get("type"), *part}
            ):
                found.append(part)
    return found[0] if len(found) == 1 else None


async def page_of(request: ChatCompletionRequest) -> bytes | None:
    """The image of a request that the served model can read in pieces only; None for any other.

    Raises `APIError` for an image that is none.
    """
    family = served_family()
    if family is None or family.reads_pages or (request.n or 1) != 1:
        return None
    part = image_part(request.messages)
    url = part.get("image_url") if part else None
    url = url.get("url") if isinstance(url, Mapping) else url
    if not isinstance(url, str):
        return None
    data = await load_bytes(url)
    return data if family.in_pieces(size_of(data)) else None


async def in_file(data: bytes) -> DocumentFile:
    """The document in a file, to be closed. Raises `APIError` if there is no room for one."""
    try:
        return await DocumentFile.of_bytes(data)
    except OSError as exc:
        message = f"the server has no room for the document ({exc.strerror}): try again later"
        raise APIError(HTTPStatus.SERVICE_UNAVAILABLE.value, "storage_full", message) from exc


async def analyse_image(data: bytes) -> AnalysedPage:
    """The analysis of a page that came as an image. Raises `APIError`."""
    with closing(await in_file(data)) as document:
        return await analyse(document, 0, otherwise="invalid_image")


async def page_count(document: DocumentFile, password: str | None) -> int:
    """How many pages a document has. Raises `APIError` for what is none."""
    try:
        return await page_workers().count(document, password)
    except PageError as exc:
        code = exc.code or "invalid_document"
        raise APIError(HTTPStatus.BAD_REQUEST.value, code, str(exc)) from exc


async def cut_out(
    document: DocumentFile, page: int, boxes: Sequence[Box], **options: Any
) -> list[bytes]:
    """Parts of a page as JPEG files, see `PageWorkers.cut_out`. Raises `APIError`."""
    try:
        return await page_workers().cut_out(document, page, boxes, **options)
    except PageError as exc:
        code = exc.code or "invalid_page"
        raise APIError(HTTPStatus.BAD_REQUEST.value, code, str(exc)) from exc


async def analyse(
    document: DocumentFile, page: int, *, otherwise: str = "invalid_page", **options: Any
) -> AnalysedPage:
    """The analysis of a page, from 0, of a document; `options` are those of `worker.Task`.

    Raises `APIError`, whose code is `otherwise` where nothing more is known.
    """
    try:
        analysed = await page_workers().analyse(document, page, **options)
    except PageError as exc:
        raise APIError(HTTPStatus.BAD_REQUEST.value, exc.code or otherwise, str(exc)) from exc
    if len(analysed.pieces) > _MOST_PIECES:
        message = f"more than {_MOST_PIECES:,} pieces of lines on one page: send a part of it"
        raise APIError(HTTPStatus.BAD_REQUEST.value, "page_too_complex", message)
    return analysed


class PieceReader:
    """Asks vLLM for the text of a piece as the request asks for that of its image."""

    def __init__(
        self,
        request: ChatCompletionRequest,
        state: State,
        *,
        whole: bool = False,
        on_text: OnText | None = None,
    ) -> None:
        """`whole` says that a piece is a whole page, whose text may be long.

        `on_text` is called with its text as the model writes it, the first time that it is read.
        """
        self._request = request
        self._state = state
        self._on_text = on_text
        self._part = image_part(request.messages)
        longest = None if whole else _LONGEST_PIECE
        limits = (request.max_completion_tokens, request.max_tokens, longest)
        self._max_tokens = min((limit for limit in limits if limit is not None), default=None)

    async def __call__(self, piece: bytes) -> Answer:
        """Read one piece, a PNG file; again, less greedily, if it ends in a loop.

        Raises `APIError`.
        """
        on_text = self._on_text
        for temperature in (self._request.temperature, *TEMPERATURES[1:_ATTEMPTS]):
            answer = await self._ask(piece, temperature, on_text)
            if answer.finish_reason != REPETITION:
                break
            on_text = None
        return answer

    async def _ask(self, piece: bytes, temperature: float | None, on_text: OnText | None) -> Answer:
        request = self._request_for(piece).model_copy(update={"temperature": temperature})
        async with _gate():
            answer = await complete_chat(request, self._state, on_text)
        choice = answer.choices[0]
        raw = (choice.logprobs.content if choice.logprobs else None) or []
        return Answer(
            choice.message.content or "",
            [Token.of(token.token, token.bytes, token.logprob) for token in raw],
            raw,
            answer.usage.prompt_tokens,
            answer.usage.completion_tokens or 0,
            choice.finish_reason or "stop",
        )

    def _request_for(self, piece: bytes) -> ChatCompletionRequest:
        url = "data:image/png;base64," + base64.b64encode(piece).decode()
        image = {"type": "image_url", "image_url": {"url": url}}
        messages = []
        for message in self._request.messages:
            content = message.get("content")
            if isinstance(content, list):
                content = [image if part is self._part else part for part in content]
            messages.append({**message, "content": content})
        return self._request.model_copy(
            update={
                "messages": messages,
                "request_id": f"{self._request.request_id}-{uuid.uuid4().hex}",
                "logprobs": True,
                "top_logprobs": self._request.top_logprobs or 0,
                "max_tokens": None,
                "max_completion_tokens": self._max_tokens,
                "repetition_detection": self._request.repetition_detection or _detection(),
            }
        )


@cache
def _detection() -> Any:
    """The client's limits for loops, in vLLM's form."""
    request = ChatCompletionRequest.model_validate(
        {"messages": [], "repetition_detection": SERVER_DETECTION}
    )
    return request.repetition_detection
