"""What the bundled model reads, through the client, the OpenAI SDK, and 32 callers at once."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from qwen_ocr import DEFAULT_PROMPT, AsyncOCRClient, OCRClient
from qwen_ocr_tools.evaluation.engines import QwenOCR
from qwen_ocr_tools.evaluation.evaluate import Watcher, evaluate
from qwen_ocr_tools.evaluation.loading import load_dataset
from qwen_ocr_tools.evaluation.metrics import character_errors

TESTS = Path(__file__).parents[1]
SAMPLES = TESTS / "samples"
EVALUATION = TESTS / "evaluation"


def truths(folder: Path) -> dict[Path, str]:
    rows = map(json.loads, (folder / "truth.jsonl").read_text("utf-8").splitlines())
    return {folder / row["file"]: row["text"] for row in rows}


@pytest.fixture(scope="module")
def client(base_url: str) -> Iterator[OCRClient]:
    with OCRClient(base_url) as client:
        yield client


def test_the_evaluation_set_is_read_as_well_as_the_model_card_says(
    base_url: str, tmp_path: Path
) -> None:
    watcher = Watcher(lambda *_: None, lambda _: None)
    with QwenOCR(base_url) as engine:
        (run,) = evaluate(load_dataset(EVALUATION), [engine], tmp_path, watcher).runs
    by_kind = {kind: scores["cer"].micro for kind, scores in run.kinds.items()}
    assert len(run.pages) == 140
    assert run.failed == []
    # Room for the rounding of other machines, no more.
    assert by_kind["line"] <= 0.015, by_kind
    assert by_kind["paragraph"] <= 0.035, by_kind
    assert run.scores["cer"].micro <= 0.035, by_kind


def test_the_receipt_of_the_samples_is_read_without_a_mistake(client: OCRClient) -> None:
    receipt = SAMPLES / "receipt.png"
    lines = [line for line in client.ocr(receipt).text.splitlines() if line]
    assert lines == truths(SAMPLES)[receipt].splitlines()


async def test_32_concurrent_callers_each_get_their_own_text(base_url: str) -> None:
    pages = dict(list(truths(EVALUATION).items())[:32])
    async with AsyncOCRClient(base_url) as client:
        results = await asyncio.gather(*map(client.ocr, pages))
    assert len(results) == 32
    for result, (path, truth) in zip(results, pages.items(), strict=True):
        nearest = min(pages, key=lambda page: character_errors(pages[page], result.text).value)
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
