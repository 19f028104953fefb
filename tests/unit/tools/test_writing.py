"""Many documents, each into a file: what ends the work, and what costs one document."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import pytest

from qwen_ocr import AsyncOCRClient, BadRequestError, OCRConnectionError, OCRError
from qwen_ocr.documents import Page
from qwen_ocr.settings import ClientSettings
from qwen_ocr_tools.batch.progress import Progress, Tally
from qwen_ocr_tools.exports.writing import DocumentReader, DocumentSpec, Target, write_documents

NOBODY = ClientSettings.load(base_url="http://127.0.0.1:9")


class Failing:
    """A fake client, with which every document fails in the same way."""

    def __init__(self, error: OCRError) -> None:
        self.error = error
        self.asked = 0

    async def stream_document(self, source: object, **options: Any) -> AsyncGenerator[Page, None]:
        self.asked += 1
        raise self.error
        yield Page(1)


async def write_all(client: Failing, folder: Path) -> bool:
    names = [folder / f"{number}.png" for number in range(5)]
    for name in names:
        name.write_bytes(b"\x89PNG")
    said: list[str] = []
    reader = DocumentReader(
        cast("AsyncOCRClient", client), DocumentSpec("text"), said.append, [NOBODY]
    )
    targets = [Target(str(name), name.with_suffix(".txt")) for name in names]
    with Progress(Tally()) as progress:
        return await write_documents(reader, targets, progress, existing="skip", at_once=1)


async def test_a_batch_stops_when_no_server_is_left(tmp_path: Path) -> None:
    client = Failing(OCRConnectionError("gone"))
    with pytest.raises(OCRConnectionError):
        await write_all(client, tmp_path)
    assert client.asked == 1


async def test_a_bad_document_leaves_the_others(tmp_path: Path) -> None:
    client = Failing(BadRequestError("damaged"))
    assert not await write_all(client, tmp_path)
    assert client.asked == 5
