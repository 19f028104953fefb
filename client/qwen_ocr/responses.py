"""What an answer means, whether it comes whole or in pieces. Nothing here does any I/O."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
)

from qwen_ocr.blocks import Parsed
from qwen_ocr.boxes import pixels_of
from qwen_ocr.confidence import CUT_OFF, Token, mean_confidence, warnings_of, words_of, words_within
from qwen_ocr.errors import (
    LowConfidenceError,
    NotFoundError,
    OCRConnectionError,
    RepetitionError,
    ResponseError,
    TruncatedError,
    not_an_ocr_server,
)
from qwen_ocr.markup import read_markup, without_thought
from qwen_ocr.options import ReadOptions
from qwen_ocr.repetition import REPETITION, ends_in_loop
from qwen_ocr.results import OCRResult, TextBlock, Usage
from qwen_ocr.sdk_errors import translate_errors

if TYPE_CHECKING:
    import httpx2


# The SDK's own classes accept anything that is JSON, and when strict refuse vLLM's additions
# (`finish_reason: "repetition"`), so the few fields that matter are declared here.
class _Token(BaseModel):
    token: str
    logprob: float
    bytes: list[Annotated[int, Field(ge=0, le=255)]] | None = None


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str
    stop_reason: object = None
    logprobs: _Logprobs | None = None


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _Completion(BaseModel):
    id: str | None = None
    model: str
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class _Piece(BaseModel):
    delta: _Message
    finish_reason: str | None = None
    stop_reason: object = None
    logprobs: _Logprobs | None = None


class _Chunk(BaseModel):
    id: str | None = None
    model: str
    choices: list[_Piece]
    usage: _Usage | None = None


_Answer = TypeVar("_Answer", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Reading:
    """How an answer becomes a result."""

    output: str | None = None
    """The form of the answer, of `markup.OUTPUTS`; None for one that is the text itself."""
    size: tuple[int, int] | None = None
    """Width and height in pixels of the image; None if it is not known."""
    scale: int | tuple[int, int] = 1000
    """What the model counts to over the whole image, as for `to_pixels`."""


PLAIN = Reading()
"""An answer that is the text itself."""


def read_completion(
    response: "httpx2.Response", reading: Reading = PLAIN, *, latency: float
) -> OCRResult:
    """The result in an answer, whatever its `finish_reason`."""
    completion = parse(_Completion, response)
    choice = completion.choices[0]
    return _result(
        reading,
        text=choice.message.content or "",
        finish_reason=choice.finish_reason,
        usage=completion.usage,
        model=completion.model,
        request_id=_request_id(response) or completion.id,
        latency=latency,
        tokens=_tokens(choice.logprobs),
        cut_off=choice.stop_reason == CUT_OFF,
    )


def checked(result: OCRResult, options: ReadOptions) -> OCRResult:
    """`result`, with its words if they are wanted.

    Raises `TruncatedError` or `RepetitionError` when text is missing and must not be, and
    `LowConfidenceError` when the model is not as sure as it has to be.
    """
    if not options.get("confidence"):
        result = replace(result, words=())
    if result.finish_reason != "stop" and not options.get("allow_truncated"):
        raise (RepetitionError if result.finish_reason == REPETITION else TruncatedError)(result)
    least = options.get("min_confidence")
    if least is not None and (result.confidence is None or result.confidence < least):
        raise LowConfidenceError(result, least)
    return result


class StreamReader:
    """Collects the pieces of a streamed answer."""

    def __init__(self, response: "httpx2.Response", reading: Reading) -> None:
        self._response = response
        self._reading = reading
        self._last: _Chunk | None = None
        self._text: list[str] = []
        self._tokens: list[Token] = []
        self._finish_reason: str | None = None
        self._cut_off = False
        self._usage: _Usage | None = None

    def feed(self, chunk: object) -> str:
        """The text that a chunk, as the SDK gives it, adds."""
        self._last = _Chunk.model_validate(chunk, from_attributes=True)
        self._usage = self._last.usage or self._usage
        if not self._last.choices:
            return ""
        piece = self._last.choices[0]
        self._finish_reason = piece.finish_reason or self._finish_reason
        self._cut_off |= piece.stop_reason == CUT_OFF
        self._tokens += _tokens(piece.logprobs)
        text = piece.delta.content or ""
        self._text.append(text)
        return text

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise this package's errors for whatever goes wrong while pieces come."""
        try:
            with translate_errors():
                yield
        except ValueError as exc:  # of the SDK for what is not JSON, of pydantic for other JSON
            raise unexpected(self._response) from exc

    def finish(self, options: ReadOptions, *, latency: float) -> OCRResult:
        """The whole result, when no more pieces come; as `checked`.

        Raises `ResponseError` when none ever came, `OCRConnectionError` when the last is missing.
        """
        if self._last is None:
            raise unexpected(self._response)
        if self._finish_reason is None:
            raise OCRConnectionError(
                "the connection ended in the middle of the answer: see the server's log",
                status=self._response.status_code,
                request_id=_request_id(self._response),
            )
        result = _result(
            self._reading,
            text="".join(self._text),
            finish_reason=self._finish_reason,
            usage=self._usage,
            model=self._last.model,
            request_id=_request_id(self._response) or self._last.id,
            latency=latency,
            tokens=self._tokens,
            cut_off=self._cut_off,
        )
        return checked(result, options)


def unexpected(response: "httpx2.Response") -> ResponseError | NotFoundError:
    """The error for an answer that cannot be understood."""
    return not_an_ocr_server(
        response.url,
        response.headers.get("content-type"),
        status=response.status_code,
        request_id=_request_id(response),
    )


def _result(
    reading: Reading,
    *,
    usage: _Usage | None,
    tokens: list[Token],
    cut_off: bool,
    **fields: Any,
) -> OCRResult:
    result = OCRResult(usage=Usage(**usage.model_dump()) if usage else None, **fields)
    raw = result.text
    looping = ends_in_loop(raw, ended=result.finish_reason == "stop")
    text, parsed = without_thought(raw), Parsed("")
    words = words_of(text, tokens) if tokens else ()
    if reading.output is not None:
        parsed = read_markup(raw, reading.output)
        text = parsed.markdown
        words = (words_within(text, tokens) or words) if text != raw else words
    confidence = mean_confidence(words)
    doubts = {"turned": bool(parsed.turned), "not_understood": not parsed.understood}
    return replace(
        result,
        text=text,
        finish_reason=REPETITION if looping else result.finish_reason,
        words=words,
        confidence=confidence,
        warnings=(
            *warnings_of(text, confidence, cut_off=cut_off),
            *(code for code, holds in doubts.items() if holds),
        ),
        blocks=tuple(
            TextBlock(
                block.kind,
                block.text,
                pixels_of(block.box, reading.size, reading.scale)
                if block.box and reading.size
                else None,
            )
            for block in parsed.blocks
        ),
        raw=raw if text != raw else None,
    )


def _tokens(logprobs: _Logprobs | None) -> list[Token]:
    content = (logprobs.content if logprobs else None) or []
    return [Token.of(t.token, t.bytes, t.logprob) for t in content]


def _request_id(response: "httpx2.Response") -> str | None:
    return response.headers.get("x-request-id")


def parse(model: type[_Answer], response: "httpx2.Response") -> _Answer:
    """What a response has of a model's fields. Raises `ResponseError` for anything else."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError as exc:
        raise unexpected(response) from exc
