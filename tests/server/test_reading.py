"""What the bundled model reads, through the client, the OpenAI SDK, and 32 callers at once."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from rapidfuzz.distance import Levenshtein

from qwen_ocr import DEFAULT_PROMPT, AsyncOCRClient, OCRClient
from training.score import error_rate, fold, read_set

TESTS = Path(__file__).parents[1]
SAMPLES = TESTS / "samples"
EVALUATION = TESTS / "evaluation"


def truths(folder: Path) -> dict[Path, str]:
    rows = map(json.loads, (folder / "truth.jsonl").read_text("utf-8").splitlines())
    return {folder / row["file"]: row["text"] for row in rows}


def distance(read: str, truth: str) -> float:
    return Levenshtein.distance(fold(read), fold(truth)) / len(fold(truth))


@pytest.fixture(scope="module")
def client(base_url: str) -> Iterator[OCRClient]:
    with OCRClient(base_url) as client:
        yield client


def test_the_evaluation_set_is_read_as_well_as_the_model_card_says(client: OCRClient) -> None:
    readings = list(read_set(client, EVALUATION))
    by_kind = {
        kind: error_rate([reading for reading in readings if reading.kind == kind])
        for kind in {reading.kind for reading in readings}
    }
    assert len(readings) == 140
    # Room for the rounding of other machines, no more.
    assert by_kind["line"] <= 0.035, by_kind
    assert by_kind["paragraph"] <= 0.035, by_kind
    assert error_rate(readings) <= 0.095, by_kind


async def test_32_concurrent_callers_each_get_their_own_text(base_url: str) -> None:
    pages = dict(list(truths(EVALUATION).items())[:32])
    async with AsyncOCRClient(base_url) as client:
        results = await asyncio.gather(*map(client.ocr, pages))
    assert len(results) == 32
    for result, (path, truth) in zip(results, pages.items(), strict=True):
        nearest = min(pages, key=lambda page: distance(result.text, pages[page]))
        assert pages[nearest] == truth, f"{path.name} got the text of {nearest.name}"
    assert len({result.request_id for result in results}) == 32


def test_any_openai_sdk_can_stream(base_url: str, client: OCRClient) -> None:
    image = SAMPLES / "receipt.png"
    url = "data:image/png;base64," + base64.b64encode(image.read_bytes()).decode()
    sdk = openai.OpenAI(base_url=f"{base_url}/v1", api_key="none")
    chunks = sdk.chat.completions.create(
        model="mini",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": url}},
                    {"type": "text", "text": DEFAULT_PROMPT},
                ],
            }
        ],
        stream=True,
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert sum(map(bool, pieces)) > 10
    # Without a temperature in the request, too, the server reads rather than invents.
    assert "".join(pieces) == client.ocr(image).text
