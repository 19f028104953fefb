"""Text as it comes: what `stream` returns, blocking and asynchronous."""

from collections.abc import AsyncGenerator, Generator
from types import TracebackType
from typing import Self

from qwen_ocr.results import OCRResult


class _Result:
    _result: OCRResult | None = None

    @property
    def result(self) -> OCRResult:
        """The whole result, once the text has come to its end; `RuntimeError` before that."""
        if self._result is None:
            raise RuntimeError("there is no result before the stream was read to its end")
        return self._result


class OCRStream(_Result):
    """Iterates over the text of one image, a piece at a time, as the model writes it.

    Nothing is read or sent before the first piece is asked for, and every error comes from
    iterating. One reading only: text that was handed out cannot be taken back, so a loop ends in
    `RepetitionError` at once. To stop early, `close` it or use it in a `with` block.
    """

    def __init__(self, pieces: Generator[str | OCRResult, None, None]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        for piece in self._pieces:
            if isinstance(piece, str):
                return piece
            self._result = piece
        raise StopIteration

    def close(self) -> None:
        """Stop reading, and let the server stop."""
        self._pieces.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncOCRStream(_Result):
    """`OCRStream` for asyncio: `async for`, `async with`, `await stream.close()`."""

    def __init__(self, pieces: AsyncGenerator[str | OCRResult, None]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        async for piece in self._pieces:
            if isinstance(piece, str):
                return piece
            self._result = piece
        raise StopAsyncIteration

    async def close(self) -> None:
        """Stop reading, and let the server stop."""
        await self._pieces.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
