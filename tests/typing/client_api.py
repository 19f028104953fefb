"""Uses of the public API that a strict type checker has to accept, with the types that it infers.

Never executed: `make lint` checks it, which makes a change of a public type visible here.
"""

import os
from io import BytesIO
from pathlib import Path
from typing import assert_type

import numpy as np
from PIL import Image
from pydantic import BaseModel

from qwen_ocr import (
    AsyncOCRClient,
    AsyncOCRStream,
    Block,
    Document,
    ImageInput,
    ImagePlan,
    LowConfidenceError,
    OCRClient,
    OCRError,
    OCRResult,
    OCRStream,
    Outcome,
    Page,
    ReadOptions,
    RepetitionError,
    SchemaError,
    Task,
    TextBox,
    TruncatedError,
    UnsupportedTaskError,
    Word,
    tiff_pages,
)


class Invoice(BaseModel):
    number: str
    total: float


def blocking() -> None:
    with OCRClient("http://localhost:8000", api_key="key", timeout=30) as client:
        result = client.ocr("page.png")
        assert_type(result, OCRResult)
        assert_type(result.words, tuple[Word, ...])
        assert_type(result.confidence, float | None)
        assert_type(result.warnings, tuple[str, ...])
        client.ocr("page.png", min_confidence=0.8)

        client.ocr(Path("page.png"), Task.MARKDOWN)
        client.ocr(b"bytes", "Read the total.", max_tokens=10, allow_truncated=True)
        client.ocr(BytesIO(), Task.KEY_VALUE({"total": "with tax"}), confidence=True)
        client.ocr(Image.new("L", (8, 8)))
        client.ocr(np.zeros((8, 8), "u1"))
        with open("page.png", "rb") as file:  # noqa: PTH123 - a user may
            client.ocr(file)

        assert_type(client.served_model(), str)

        options: ReadOptions = {"max_tokens": 10, "confidence": True}
        client.ocr("page.png", **options)

        stream = client.stream("page.png", confidence=True)
        assert_type(stream, OCRStream)
        for piece in stream:
            assert_type(piece, str)
        assert_type(stream.result, OCRResult)

        assert_type(client.extract("page.png", Invoice), Invoice)
        assert_type(client.locate("page.png"), list[TextBox])
        assert_type(client.plan("page.png"), ImagePlan)

        paths: list[str] = []
        for outcome in client.ocr_many(paths, concurrency=8, ordered=False):
            assert_type(outcome, Outcome[str])
            assert_type(outcome.input, str)
            assert_type(outcome.error, OCRError | None)
        for number, page in enumerate(client.ocr_many(tiff_pages("scan.tiff"))):
            assert_type(number, int)
            assert_type(page.input, Image.Image)

        document = client.read_document("scan.pdf", pages="1-3", blocks=True, password="open")
        assert_type(document, Document)
        assert_type(document.failed, tuple[Page, ...])
        assert_type(document.pages[0].blocks, tuple[Block, ...])
        for read in client.stream_document(b"%PDF", figures=True):
            assert_type(read, Page)


async def asynchronous() -> None:
    async with AsyncOCRClient() as client:
        assert_type(await client.ocr("page.png", max_tokens=10), OCRResult)
        stream = client.stream("page.png")
        assert_type(stream, AsyncOCRStream)
        async for piece in stream:
            assert_type(piece, str)
        assert_type(await client.extract("page.png", Invoice, "Which invoice?"), Invoice)
        assert_type(await client.locate("page.png"), list[TextBox])
        assert_type(await client.plan("page.png"), ImagePlan)
        async for outcome in client.ocr_many([Path("a.png")]):
            assert_type(outcome, Outcome[Path])
        assert_type(await client.read_document("scan.pdf", pages=[1, 2]), Document)
        async for read in client.stream_document("scan.pdf"):
            assert_type(read, Page)


def errors(client: OCRClient, image: ImageInput) -> str:
    try:
        return str(client.ocr(image))
    except RepetitionError as error:
        return error.partial.text
    except TruncatedError as error:
        return error.partial.finish_reason
    except LowConfidenceError as error:
        return f"{error.minimum} {error.partial.warnings}"
    except UnsupportedTaskError as error:
        return f"{error.code}"
    except SchemaError as error:
        return error.text
    except OCRError as error:
        return f"{error.status} {error.request_id} {error.server_message}"


def refused(client: OCRClient, path: os.PathLike[str]) -> None:
    client.ocr(path, max_token=5)  # type: ignore[call-arg]
    client.ocr(path, max_tokens="5")  # type: ignore[arg-type]
    client.ocr(7)  # type: ignore[arg-type]
    client.extract(path, dict)  # type: ignore[type-var]
    client.ocr_many("page.png", concurrency="all")  # type: ignore[arg-type]
