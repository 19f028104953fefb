"""Pages for a model that reads blocks of text: in pieces, through vLLM's own chat handler.

One piece of code for every way in: chat completions, streamed or not, the replaced service's route
and `/v1/ocr`.
"""

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from functools import cache
from http import HTTPStatus
from typing import Any

from starlette.datastructures import State
from vllm.entrypoints.generate.base.protocol import DeltaMessage
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionLogProbs,
    ChatCompletionLogProbsContent,
    ChatCompletionRequest,
    ChatCompletionResponse,
    ChatCompletionResponseChoice,
    ChatCompletionResponseStreamChoice,
    ChatCompletionStreamResponse,
    ChatMessage,
)
from vllm.entrypoints.serve.engine.protocol import ErrorResponse, UsageInfo

from qwen_ocr.confidence import Token
from qwen_ocr.repetition import SERVER_DETECTION
from qwen_ocr_serve.documents.reading import Answer, read_pieces
from qwen_ocr_serve.documents.workers import AnalysedPage, PageError, PageWorkers
from qwen_ocr_serve.http.errors import APIError, internal_error
from qwen_ocr_serve.http.vllm_errors import from_answer
from qwen_ocr_serve.images.connector import load_bytes, size_of
from qwen_ocr_serve.models.serving import served_family
from qwen_ocr_serve.settings import MAX_PIECES

_LONGEST_PIECE = 256
"""Tokens of a piece's text. Its longest has some 50 characters, which are as many tokens."""
_MOST_PIECES = 2000
"""Of one page. A newspaper has some 600."""
_RETRY_AFTER = 5
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
    size = size_of(data)
    return data if family.fit(size) != size else None


async def analyse(data: bytes, page: int = 0, dpi: float = 200.0) -> AnalysedPage:
    """The analysis of a page, from 0, of a document. Raises `APIError`."""
    try:
        analysed = await page_workers().analyse(data, page, dpi)
    except PageError as exc:
        raise APIError(HTTPStatus.BAD_REQUEST.value, "invalid_image", str(exc)) from exc
    if len(analysed.pieces) > _MOST_PIECES:
        message = f"more than {_MOST_PIECES:,} pieces of lines on one page: send a part of it"
        raise APIError(HTTPStatus.BAD_REQUEST.value, "page_too_complex", message)
    return analysed


class PieceReader:
    """Asks vLLM for the text of a piece as the request asks for that of its image."""

    def __init__(self, request: ChatCompletionRequest, state: State) -> None:
        self._request = request
        self._chat = state.openai_serving_chat
        self._part = image_part(request.messages)
        limits = (request.max_completion_tokens, request.max_tokens, _LONGEST_PIECE)
        self._max_tokens = min(limit for limit in limits if limit is not None)

    async def __call__(self, piece: bytes) -> Answer:
        """Read one piece, a PNG file. Raises `APIError`."""
        async with _gate():
            answer = await self._chat.create_chat_completion(self._request_for(piece), None)
        if isinstance(answer, ErrorResponse):
            status = answer.error.code
            raise from_answer(status, answer.model_dump_json().encode(), _RETRY_AFTER)
        assert isinstance(answer, ChatCompletionResponse), "not a streaming request"
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
                "stream": False,
                "stream_options": None,
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


class _Progress:
    """Counts what an answer in pieces comes to, and ends it at the caller's limit of tokens."""

    def __init__(self, request: ChatCompletionRequest) -> None:
        limits = (request.max_completion_tokens, request.max_tokens)
        self._left = min((limit for limit in limits if limit is not None), default=None)
        self.usage = UsageInfo(prompt_tokens=0, completion_tokens=0, total_tokens=0)
        self.finish_reason = "stop"

    def take(self, answer: Answer, joint: str) -> tuple[str, list[ChatCompletionLogProbsContent]]:
        """The text and the tokens that a piece adds."""
        if answer.finish_reason != "stop":
            self.finish_reason = answer.finish_reason
        tokens = [*_spelling(answer), *([_joint_token(joint)] if joint else [])]
        text = answer.text + joint
        if self._left is not None:
            if len(tokens) > self._left:
                tokens = tokens[: self._left]
                spelt = b"".join(bytes(token.bytes or ()) for token in tokens)
                text, self.finish_reason = spelt.decode("utf-8", "ignore"), "length"
            self._left -= len(tokens)
        self.usage.prompt_tokens += answer.prompt_tokens
        self.usage.completion_tokens = (self.usage.completion_tokens or 0) + len(tokens)
        self.usage.total_tokens = self.usage.prompt_tokens + self.usage.completion_tokens
        return text, tokens

    @property
    def full(self) -> bool:
        """Whether the caller's limit has been reached."""
        return self._left == 0


def _spelling(answer: Answer) -> list[ChatCompletionLogProbsContent]:
    """The tokens that spell the text of a piece, without the end marker."""
    spelt, kept = 0, []
    for token in answer.raw:
        if spelt >= len(answer.text.encode()):
            break
        kept.append(token)
        spelt += len(token.bytes or ())
    return kept


def _joint_token(joint: str) -> ChatCompletionLogProbsContent:
    return ChatCompletionLogProbsContent(token=joint, logprob=0.0, bytes=list(joint.encode()))


async def answer_whole(
    request: ChatCompletionRequest, state: State, page: AnalysedPage
) -> ChatCompletionResponse:
    """The answer about a page, as vLLM would have given it. Raises `APIError`."""
    progress = _Progress(request)
    text, tokens = "", []
    async with aclosing(read_pieces(page, PieceReader(request, state))) as answers:
        async for answer, joint in answers:
            more, added = progress.take(answer, joint)
            text += more
            tokens += added
            if progress.full:
                break
    choice = ChatCompletionResponseChoice(
        index=0,
        message=ChatMessage(role="assistant", content=text),
        logprobs=ChatCompletionLogProbs(content=tokens),
        finish_reason=progress.finish_reason,
    )
    return ChatCompletionResponse(
        id=f"chatcmpl-{request.request_id}",
        model=_model(state),
        choices=[choice],
        usage=progress.usage,
    )


async def answer_stream(
    request: ChatCompletionRequest, state: State, page: AnalysedPage
) -> AsyncIterator[str]:
    """The answer about a page as server-sent events, a piece each, in reading order."""
    progress = _Progress(request)
    common: dict[str, Any] = {
        "id": f"chatcmpl-{request.request_id}",
        "created": int(time.time()),
        "model": _model(state),
    }

    def event(delta: DeltaMessage, **more: Any) -> str:
        choice = ChatCompletionResponseStreamChoice(index=0, delta=delta, **more)
        return _event(ChatCompletionStreamResponse(choices=[choice], **common))

    yield event(DeltaMessage(role="assistant", content=""))
    try:
        async with aclosing(read_pieces(page, PieceReader(request, state))) as answers:
            async for answer, joint in answers:
                text, tokens = progress.take(answer, joint)
                logprobs = ChatCompletionLogProbs(content=tokens) if request.logprobs else None
                yield event(DeltaMessage(content=text), logprobs=logprobs)
                if progress.full:
                    break
    except Exception as exc:  # noqa: BLE001  # half an answer: an event is all that can tell
        error = exc if isinstance(exc, APIError) else internal_error()
        yield _error_event(error)
    else:
        yield event(DeltaMessage(), finish_reason=progress.finish_reason)
        if request.stream_options and request.stream_options.include_usage:
            usage = ChatCompletionStreamResponse(choices=[], usage=progress.usage, **common)
            yield _event(usage)
    yield "data: [DONE]\n\n"


def _event(content: ChatCompletionStreamResponse) -> str:
    return f"data: {content.model_dump_json(exclude_unset=True)}\n\n"


def _error_event(error: APIError) -> str:
    body = ErrorResponse.model_validate(
        {"error": {"message": error.message, "type": error.code, "code": error.status}}
    )
    return f"data: {body.model_dump_json()}\n\n"


def _model(state: State) -> str:
    name: str = state.openai_serving_models.base_model_paths[0].name
    return name
