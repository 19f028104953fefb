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
from qwen_ocr.errors import NotFoundError
from qwen_ocr.images import AnyImage, ImageInput
from qwen_ocr.options import ReadOptions
from qwen_ocr.outcomes import Document, Outcome
from qwen_ocr.pdf import DEFAULT_DPI, PDF, check_dpi, page_numbers
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

    def ocr_pdf(
        self,
        source: Source,
        prompt: str = DEFAULT_PROMPT,
        *,
        pages: str | Iterable[int] | None = None,
        dpi: float = DEFAULT_DPI,
        password: str | None = None,
        concurrency: int = CONCURRENCY,
        **options: Unpack[ReadOptions],
    ) -> Document:
        """Read a PDF's pages, from their images; needs the extra `pdf`.

        `pages` are numbers from 1, such as `"1-3,7,12-"` or `[1, 7]`; all if left out. `dpi` is
        18 to 1200. A page that cannot be rendered or read is one of `Document.failed`. Raises
        `PDFError` for a file that cannot be opened, or not with this `password`.
        """
        check_dpi(dpi)
        check_many((), prompt, concurrency, options)
        with PDF(source, password) as pdf:
            outcomes = run_many(
                lambda number: self.ocr(pdf.render(number, dpi), prompt, **options),
                page_numbers(pages, pdf.page_count),
                concurrency=concurrency,
                ordered=True,
            )
            return Document(tuple(outcomes))

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
