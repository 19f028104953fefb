"""The clients: the same calls, blocking and asynchronous."""

import asyncio
import time
from types import TracebackType
from typing import Self

import openai

from qwen_ocr._core import accept, build_request, read_completion, read_models, sdk_options
from qwen_ocr.errors import translate_errors
from qwen_ocr.images import ImageInput
from qwen_ocr.prompts import DEFAULT_PROMPT
from qwen_ocr.results import OCRResult
from qwen_ocr.settings import ClientSettings


class OCRClient:
    """Reads images through an OCR server; may be shared between threads.

    Every argument that is left out comes from `QWEN_OCR_<NAME>` or, failing that, the default of
    `ClientSettings`, where each is described. Nothing is sent until the first image. Connections
    are kept for the next image, so keep the client; close it, or use it in a `with` block.

    Raises `ConfigurationError` for an argument or variable that makes no sense.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        model: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        max_image_tokens: int | None = None,
    ) -> None:
        self._settings = ClientSettings.load(
            base_url=base_url,
            api_key=api_key,
            model=model,
            timeout=timeout,
            max_retries=max_retries,
            max_image_tokens=max_image_tokens,
        )
        self._sdk = openai.OpenAI(**sdk_options(self._settings))
        self._model = self._settings.model

    def ocr(
        self,
        image: ImageInput,
        prompt: str = DEFAULT_PROMPT,
        *,
        max_tokens: int | None = None,
        allow_truncated: bool = False,
    ) -> OCRResult:
        """Read one image, at temperature 0.

        `max_tokens` bounds the text. Without it the server's context length does, because any
        guess of ours would cut off somebody's page. Text that is cut off raises `TruncatedError`,
        or is returned with its `finish_reason` when `allow_truncated`.

        Raises `ImageError` and `PromptError` before anything is sent, and the other errors of
        `qwen_ocr.errors` for what happens after that.
        """
        page = accept(image, prompt)
        request = build_request(
            self._find_model(), page, prompt, max_tokens, self._settings.max_image_tokens
        )
        started = time.perf_counter()
        with translate_errors():
            response = self._sdk.chat.completions.with_raw_response.create(**request)
        latency = time.perf_counter() - started
        return read_completion(response, latency=latency, allow_truncated=allow_truncated)

    def close(self) -> None:
        """Close the connections; the client is of no use after that."""
        self._sdk.close()

    def _find_model(self) -> str:
        if self._model is None:
            with translate_errors():
                response = self._sdk.models.with_raw_response.list()
            self._model = read_models(response)
        return self._model

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncOCRClient:
    """`OCRClient` for asyncio: the same arguments, results and errors.

    Images are read and encoded in worker threads, so that a large one does not hold up the loop.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        model: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        max_image_tokens: int | None = None,
    ) -> None:
        self._settings = ClientSettings.load(
            base_url=base_url,
            api_key=api_key,
            model=model,
            timeout=timeout,
            max_retries=max_retries,
            max_image_tokens=max_image_tokens,
        )
        self._sdk = openai.AsyncOpenAI(**sdk_options(self._settings))
        self._model = self._settings.model

    async def ocr(
        self,
        image: ImageInput,
        prompt: str = DEFAULT_PROMPT,
        *,
        max_tokens: int | None = None,
        allow_truncated: bool = False,
    ) -> OCRResult:
        """Read one image; see `OCRClient.ocr`."""
        page = await asyncio.to_thread(accept, image, prompt)
        model = await self._find_model()
        request = await asyncio.to_thread(
            build_request, model, page, prompt, max_tokens, self._settings.max_image_tokens
        )
        started = time.perf_counter()
        with translate_errors():
            response = await self._sdk.chat.completions.with_raw_response.create(**request)
        latency = time.perf_counter() - started
        return read_completion(response, latency=latency, allow_truncated=allow_truncated)

    async def close(self) -> None:
        """Close the connections; the client is of no use after that."""
        await self._sdk.close()

    async def _find_model(self) -> str:
        if self._model is None:
            with translate_errors():
                response = await self._sdk.models.with_raw_response.list()
            self._model = read_models(response)
        return self._model

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
