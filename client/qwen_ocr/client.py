"""The blocking client."""

import time
from collections.abc import Generator, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, Unpack

import httpx2
import openai

from qwen_ocr import _steps
from qwen_ocr._session import Client
from qwen_ocr._steps import Answer, Finished, Model, Steps, T, fail, resume
from qwen_ocr.batch import CONCURRENCY, check_many, run_many
from qwen_ocr.document_requests import PageReader, build_document_request
from qwen_ocr.documents import Document, Page
from qwen_ocr.errors import NotFoundError
from qwen_ocr.images import AnyImage, ImageInput
from qwen_ocr.options import DocumentOptions, ReadOptions
from qwen_ocr.outcomes import Outcome
from qwen_ocr.prompts import DEFAULT_PROMPT
from qwen_ocr.requests import ChatRequest
from qwen_ocr.responses import StreamReader
from qwen_ocr.results import ImagePlan, OCRResult, TextBox
from qwen_ocr.sdk_errors import translate_errors
from qwen_ocr.sources import Source
from qwen_ocr.streams import OCRStream


class OCRClient(Client[httpx2.Client]):
    """Reads images through an OCR server; may be shared between threads.

    Every argument that is left out comes from `QWEN_OCR_<NAME>` or, failing that, the default of
    `ClientSettings`, where each is described. Nothing is sent until the first image. Connections
    are kept for the next image, so keep the client; close it, or use it in a `with` block.

    `options` of its methods are those of `ReadOptions`. All methods raise `ImageError`,
    `PromptError` and `ConfigurationError` before anything is sent, `UnsupportedTaskError` for what
    the model was not taught before the image is, and the other errors of `qwen_ocr.errors` for what
    happens after that. `ConfigurationError` is also what the client
    itself raises for an argument or variable that makes no sense.
    """

    def ocr(
        self,
        image: ImageInput,
        prompt: str = DEFAULT_PROMPT,
        **options: Unpack[ReadOptions],
    ) -> OCRResult:
        """Read one image, greedily; again, less greedily, if the model repeats itself without end.

        `prompt` is a `Task` or any other string. Text that is cut off raises `TruncatedError`, text
        that ends in a loop at each of four attempts `RepetitionError`; both carry what there is.
        Text that the model is not sure of, and no text, come back with `warnings`.
        """
        return self._run(_steps.read(self._session, image, prompt, options))

    def stream(
        self,
        image: ImageInput,
        prompt: str = DEFAULT_PROMPT,
        **options: Unpack[ReadOptions],
    ) -> OCRStream:
        """Read one image and get the text as it comes; afterwards, `result` of the stream is whole.

        Errors, the local ones included, come from iterating.
        """
        return OCRStream(self._pieces(image, prompt, options))

    def extract(
        self,
        image: ImageInput,
        model: type[Model],
        prompt: str | None = None,
        *,
        max_tokens: int | None = None,
    ) -> Model:
        """Read one image into an object of a pydantic model.

        The server lets the model write nothing but JSON of its schema. Without a prompt of yours,
        the schema is in the prompt, too, with the descriptions of its fields. Raises `SchemaError`,
        with the text, for an answer that is not valid all the same: validators can ask for more
        than a schema.
        """
        return self._run(
            _steps.extract(self._session, image, model, prompt, {"max_tokens": max_tokens})
        )

    def locate(self, image: ImageInput, *, max_tokens: int | None = None) -> list[TextBox]:
        """The lines of text in one image and where they are, in pixels of that image.

        For models that were taught it: Qwen2-VL and later, not the bundled one. Raises
        `SchemaError` for an answer without boxes, `ImageError` for a URL, whose size is not known
        here.
        """
        return self._run(_steps.locate(self._session, image, {"max_tokens": max_tokens}))

    def plan(self, image: ImageInput) -> ImagePlan:
        """The size at which an image would be sent, and its visual tokens.

        Sends nothing but, when no model was named, the question which one the server has.
        """
        return self._run(_steps.plan(self._session, image))

    def served_model(self) -> str:
        """The name of the model that reads: the one given, or the first that the server lists."""
        return self._run(_steps.find_model(self._session))

    def ocr_many(
        self,
        images: Iterable[AnyImage],
        prompt: str = DEFAULT_PROMPT,
        *,
        concurrency: int = CONCURRENCY,
        ordered: bool = True,
        **options: Unpack[ReadOptions],
    ) -> Iterator[Outcome[AnyImage]]:
        """Read many images, up to `concurrency` at a time, and get each outcome as it is there.

        `ordered` outcomes come in the order of `images`, others as they complete. An image that
        fails gives an outcome with its error. `images` may be endless: no more than 4 · concurrency
        are taken before their outcomes are.
        """
        check_many(images, prompt, concurrency, options)
        return run_many(
            lambda image: self.ocr(image, prompt, **options),
            images,
            concurrency=concurrency,
            ordered=ordered,
        )

    def read_document(self, source: Source, **options: Unpack[DocumentOptions]) -> Document:
        """Read a PDF, a TIFF or an image page by page, as Markdown.

        The server opens it and finds what stands where; ours does, others may not know how.
        `options` are those of `DocumentOptions`. A page that cannot be read is one of
        `Document.failed`. Raises `BadRequestError` for a document that cannot be opened (its `code`
        is `wrong_password` for an encrypted one) and for pages that it does not have.
        """
        return Document(tuple(self.stream_document(source, **options)))

    def stream_document(
        self, source: Source, **options: Unpack[DocumentOptions]
    ) -> Generator[Page, None, None]:
        """The pages of a document as they are read, in order; see `read_document`.

        Errors, the local ones included, come from iterating. Closed early, the server reads no
        further page.
        """
        request = build_document_request(source, options)
        reader = PageReader()
        with translate_errors():
            stream = self._sdk.post(
                "/ocr", **request, cast_to=object, stream=True, stream_cls=openai.Stream[object]
            )
            with stream:
                for event in stream:
                    if page := reader.feed(event):
                        yield page
        reader.finish()

    def close(self) -> None:
        """Close the connections; the client is of no use after that."""
        self._sdk.close()

    def _connect(self, options: dict[str, Any]) -> None:
        self._sdk = openai.OpenAI(**options)

    def _run(self, steps: Steps[T]) -> T:
        step = resume(steps, None)
        while not isinstance(step, Finished):
            started = time.perf_counter()
            try:
                with translate_errors():
                    response = self._send(step)
            except NotFoundError as exc:  # a server may list no models
                step = fail(steps, exc)
                continue
            step = resume(steps, Answer(response, time.perf_counter() - started))
        return step.value

    def _send(self, request: ChatRequest | None) -> httpx2.Response:
        if request is None:
            models = self._sdk.models.with_raw_response
            return models.list(extra_headers=self._headers).http_response
        chat = self._sdk.chat.completions.with_raw_response
        return chat.create(**request, extra_headers=self._headers).http_response

    def _pieces(
        self, image: ImageInput, prompt: str, options: ReadOptions
    ) -> Generator[str | OCRResult, None, None]:
        request = self._run(_steps.start_stream(self._session, image, prompt, options))
        started = time.perf_counter()
        with translate_errors():
            stream = self._sdk.chat.completions.create(
                **request, stream=True, extra_headers=self._headers
            )
        reading = _steps.reading_of(self._session, None, prompt)
        reader = StreamReader(stream.response, reading)
        with stream, reader.errors():
            for chunk in stream:
                if text := reader.feed(chunk):
                    yield text
        yield reader.finish(options, latency=time.perf_counter() - started)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
