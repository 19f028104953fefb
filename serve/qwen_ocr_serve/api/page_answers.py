"""The answer about a page that was read in pieces, whole or streamed, as vLLM would give it."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
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

from qwen_ocr.confidence import CUT_OFF
from qwen_ocr_serve.api.page_reader import PieceReader
from qwen_ocr_serve.documents.reading import Answer, Part, read_pieces
from qwen_ocr_serve.documents.workers import AnalysedPage
from qwen_ocr_serve.http.errors import APIError, internal_error


class Progress:
    """Counts what an answer in pieces comes to, and ends it at the caller's limit of tokens."""

    def __init__(self, request: ChatCompletionRequest) -> None:
        limits = (request.max_completion_tokens, request.max_tokens)
        self._left = min((limit for limit in limits if limit is not None), default=None)
        self.usage = UsageInfo(prompt_tokens=0, completion_tokens=0, total_tokens=0)
        self.finish_reason = "stop"
        self.stop_reason: str | None = None
        """That the text of some piece was cut off, if it was: see `qwen_ocr.WARNINGS`."""

    def take(self, part: Part) -> tuple[str, list[ChatCompletionLogProbsContent]]:
        """The text and the tokens that a piece adds."""
        answer, joint = part.answer, part.joint
        if answer.finish_reason != "stop":
            self.stop_reason = CUT_OFF
        tokens = [*([_joint_token(joint)] if joint else []), *_spelling(answer)]
        text = joint + answer.text
        if self._left is not None:
            if len(tokens) > self._left:
                tokens = tokens[: self._left]
                spelt = b"".join(bytes(token.bytes or ()) for token in tokens)
                text, self.finish_reason = spelt.decode("utf-8", "ignore"), "length"
            self._left -= len(tokens)
            if self.full and (not part.last or answer.finish_reason != "stop"):
                self.finish_reason = "length"
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


async def follow(
    request: ChatCompletionRequest, state: State, page: AnalysedPage, progress: Progress
) -> AsyncGenerator[tuple[str, list[ChatCompletionLogProbsContent]], None]:
    """Text and tokens of each piece, in reading order, up to the caller's limit."""
    async with aclosing(read_pieces(page, PieceReader(request, state))) as parts:
        async for part in parts:
            yield progress.take(part)
            if progress.full:
                break


async def answer_whole(
    request: ChatCompletionRequest, state: State, page: AnalysedPage
) -> ChatCompletionResponse:
    """The answer about a page, as vLLM would have given it. Raises `APIError`."""
    progress = Progress(request)
    text, tokens = "", []
    async with aclosing(follow(request, state, page, progress)) as parts:
        async for more, added in parts:
            text += more
            tokens += added
    choice = ChatCompletionResponseChoice(
        index=0,
        message=ChatMessage(role="assistant", content=text),
        logprobs=ChatCompletionLogProbs(content=tokens),
        finish_reason=progress.finish_reason,
        stop_reason=progress.stop_reason,
    )
    return ChatCompletionResponse(
        id=f"chatcmpl-{request.request_id}",
        model=model_name(state),
        choices=[choice],
        usage=progress.usage,
    )


async def answer_stream(
    request: ChatCompletionRequest, state: State, page: AnalysedPage
) -> AsyncIterator[str]:
    """The answer about a page as server-sent events, a piece each, in reading order."""
    progress = Progress(request)
    common: dict[str, Any] = {
        "id": f"chatcmpl-{request.request_id}",
        "created": int(time.time()),
        "model": model_name(state),
    }

    def event(delta: DeltaMessage, **more: Any) -> str:
        choice = ChatCompletionResponseStreamChoice(index=0, delta=delta, **more)
        return _event(ChatCompletionStreamResponse(choices=[choice], **common))

    yield event(DeltaMessage(role="assistant", content=""))
    try:
        async with aclosing(follow(request, state, page, progress)) as parts:
            async for text, tokens in parts:
                logprobs = ChatCompletionLogProbs(content=tokens) if request.logprobs else None
                yield event(DeltaMessage(content=text), logprobs=logprobs)
    except Exception as exc:  # noqa: BLE001  # half an answer: an event is all that can tell
        error = exc if isinstance(exc, APIError) else internal_error()
        yield _error_event(error)
    else:
        yield event(
            DeltaMessage(),
            finish_reason=progress.finish_reason,
            stop_reason=progress.stop_reason,
        )
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


def model_name(state: State) -> str:
    """The served model's first name."""
    name: str = state.openai_serving_models.base_model_paths[0].name
    return name
