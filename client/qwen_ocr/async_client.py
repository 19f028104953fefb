"""The client for asyncio."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self, Unpack

import httpx2
import openai

from qwen_ocr import _steps
from qwen_ocr._session import Client
from qwen_ocr._steps import Answer, Finished, Model, Steps, T, fail, resume
from qwen_ocr.batch import CONCURRENCY, check_many, run_many_async
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
from qwen_ocr.streams import AsyncOCRStream


class AsyncOCRClient(Client[httpx2.AsyncClient]):
    """`OCRClient` for asyncio: the same arguments, results and errors.

    Images are read and encoded in worker threads, so that a large one does not hold up the loop.
    """

    async def ocr(
        self,
        image: ImageInput,
        prompt: str = DEFAULT_PROMPT,
        **options: Unpack[ReadOptions],
    ) -> OCRResult:
        """Read one image; see `OCRClient.ocr`."""
        return await self._run(_steps.read(self._session, image, prompt, options))

    def stream(
        self,
        image: ImageInput,
        prompt: str = DEFAULT_PROMPT,
        **options: Unpack[ReadOptions],
    ) -> AsyncOCRStream:
        """Read one image and get the text as it comes; see `OCRClient.stream`."""
        return AsyncOCRStream(self._pieces(image, prompt, options))

    async def extract(
        self,
        image: ImageInput,
        model: type[Model],
        prompt: str | None = None,
        *,
        max_tokens: int | None = None,
    ) -> Model:
        """Read one image into an object of a pydantic model; see `OCRClient.extract`."""
        return await self._run(
            _steps.extract(self._session, image, model, prompt, {"max_tokens": max_tokens})
        )

    async def locate(self, image: ImageInput, *, max_tokens: int | None = None) -> list[TextBox]:
        """The lines of text in one image and where they are; see `OCRClient.locate`."""
        return await self._run(_steps.locate(self._session, image, {"max_tokens": max_tokens}))

    async def plan(self, image: ImageInput) -> ImagePlan:
        """The size at which an image would be sent, and its visual tokens; see `OCRClient.plan`."""
        return await self._run(_steps.plan(self._session, image))

    async def served_model(self) -> str:
        """The name of the model that reads; see `OCRClient.served_model`."""
        return await self._run(_steps.find_model(self._session))

    def ocr_many(
        self,
        images: Iterable[AnyImage],
        prompt: str = DEFAULT_PROMPT,
        *,
        concurrency: int = CONCURRENCY,
        ordered: bool = True,
        **options: Unpack[ReadOptions],
    ) -> AsyncIterator[Outcome[AnyImage]]:
        """Read many images, with `async for`; see `OCRClient.ocr_many`."""
        check_many(images, prompt, concurrency, options)
        return run_many_async(
            lambda image: self.ocr(image, prompt, **options),
            images,
            concurrency=concurrency,
            ordered=ordered,
        )

    async def read_document(self, source: Source, **options: Unpack[DocumentOptions]) -> Document:
        """Read a PDF, a TIFF or an image page by page; see `OCRClient.read_document`."""
        return Document(tuple([page async for page in self.stream_document(source, **options)]))

    async def stream_document(
        self, source: Source, **options: Unpack[DocumentOptions]
    ) -> AsyncGenerator[Page, None]:
        """The pages of a document as they are read; see `OCRClient.stream_document`."""
        request = await asyncio.to_thread(build_document_request, source, options)
        reader = PageReader()
        with translate_errors():
            stream = await self._sdk.post(
                "/ocr",
                **request,
                cast_to=object,
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
            async with stream:
                async for event in stream:
                    if page := reader.feed(event):
                        yield page
        reader.finish()

    async def close(self) -> None:
        """Close the connections; the client is of no use after that."""
        await self._sdk.close()

    def _connect(self, options: dict[str, Any]) -> None:
        self._sdk = openai.AsyncOpenAI(**options)

    async def _run(self, steps: Steps[T]) -> T:
        step = await asyncio.to_thread(resume, steps, None)
        while not isinstance(step, Finished):
            started = time.perf_counter()
            try:
                with translate_errors():
                    response = await self._send(step)
            except NotFoundError as exc:  # a server may list no models
                step = fail(steps, exc)
                continue
            answer = Answer(response, time.perf_counter() - started)
            if step is None:  # the image is fitted to the model next
                step = await asyncio.to_thread(resume, steps, answer)
            else:  # the text is read, which is quicker than to wait for a thread
                step = resume(steps, answer)
        return step.value

    async def _send(self, request: ChatRequest | None) -> httpx2.Response:
        if request is None:
            models = self._sdk.models.with_raw_response
            return (await models.list(extra_headers=self._headers)).http_response
        chat = self._sdk.chat.completions.with_raw_response
        return (await chat.create(**request, extra_headers=self._headers)).http_response

    async def _pieces(
        self, image: ImageInput, prompt: str, options: ReadOptions
    ) -> AsyncGenerator[str | OCRResult, None]:
        request = await self._run(_steps.start_stream(self._session, image, prompt, options))
        started = time.perf_counter()
        with translate_errors():
            stream = await self._sdk.chat.completions.create(
                **request, stream=True, extra_headers=self._headers
            )
        reading = _steps.reading_of(self._session, None, prompt)
        reader = StreamReader(stream.response, reading)
        async with stream:
            with reader.errors():
                async for chunk in stream:
                    if text := reader.feed(chunk):
                        yield text
        yield reader.finish(options, latency=time.perf_counter() - started)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
