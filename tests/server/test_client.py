"""What the client promises about a healthy server, against one."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from pydantic import BaseModel

from qwen_ocr import (
    AsyncOCRClient,
    OCRClient,
    RepetitionError,
    TruncatedError,
    _steps,
    family_of,
    requests,
)
from qwen_ocr_serve.launch.local_server import LocalServer
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH

SAMPLES = Path(__file__).parents[1] / "samples"
RECEIPT = SAMPLES / "receipt.png"
PRINTED = [
    *SAMPLES.glob("*g"),
    *(SAMPLES.parent / "evaluation").glob("*-0[0-2].*"),
]
"""Images with type of all sizes, light and dark, sharp and blurred."""
SIZES = [
    *[(side, side) for side in (1, 15, 16, 17, 24, 31, 33, 100, 512, 1024, 1500)],
    *[(8, 40), (40, 8), (7, 1000), (1000, 7), (320, 290), (2480, 3508), (3508, 2480), (3000, 16)],
    *[(width, 47) for width in range(40, 120, 9)],
]


class Receipt(BaseModel):
    shop: str


def test_plan_agrees_with_the_server_to_the_token(base_url: str) -> None:
    rest = set()
    images: list[Image.Image | Path] = [Image.new("L", size, 255) for size in SIZES]
    # Without the limit, the larger ones are read in pieces, as low ones are in any case.
    with OCRClient(base_url, max_image_tokens=family_of("mini").whole_tokens) as client:
        for image in [*images, *PRINTED]:
            if client.plan(image).size[1] <= family_of("mini").line_height:
                continue
            usage = client.ocr(image, max_tokens=1, allow_truncated=True).usage
            assert usage is not None
            rest.add(usage.prompt_tokens - client.plan(image).tokens)
    # What is left is the prompt and the chat format around it, the same for every image.
    assert len(rest) == 1


def test_stream_is_what_ocr_reads(base_url: str) -> None:
    with OCRClient(base_url) as client:
        whole = client.ocr(RECEIPT)
        stream = client.stream(RECEIPT)
        pieces = list(stream)
    assert len(pieces) > 10
    assert "".join(pieces) == stream.result.text == whole.text
    assert stream.result.usage == whole.usage
    assert whole.request_id
    assert stream.result.request_id not in (None, whole.request_id)


async def test_async_stream(base_url: str) -> None:
    async with AsyncOCRClient(base_url) as client, client.stream(RECEIPT) as stream:
        assert "".join([piece async for piece in stream]) == stream.result.text


def test_confidence_of_every_word(base_url: str) -> None:
    with OCRClient(base_url) as client:
        result = client.ocr(RECEIPT, confidence=True)
        stream = client.stream(RECEIPT, confidence=True)
        assert list(stream)
    # "Café Lumière" has characters of two tokens each.
    assert [word.text for word in result.words] == result.text.split()
    assert all(0 < word.confidence <= 1 for word in result.words)
    assert result.confidence == pytest.approx(
        sum(word.confidence for word in result.words) / len(result.words)
    )
    assert [word.text for word in stream.result.words] == result.text.split()


def test_server_stops_what_is_a_loop_and_nothing_else(
    base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.new("L", (200, 50), 255)  # small enough to be read as a whole
    ImageDraw.Draw(image).text((10, 15), "no no no no no no no", fill=0, font_size=18)
    with OCRClient(base_url) as client:
        # Some words in a row are read to their end, unless so little is a loop.
        assert client.ocr(image).finish_reason == "stop"
        strict = {"min_pattern_size": 1, "max_pattern_size": 4, "min_count": 4}
        monkeypatch.setattr(requests, "SERVER_DETECTION", strict)
        monkeypatch.setattr(_steps, "TEMPERATURES", (0.0,))
        with pytest.raises(RepetitionError) as caught:
            client.ocr(image)
    assert len(caught.value.partial.text) < 30


def test_many_in_order_with_a_bad_one(base_url: str) -> None:
    rows = list(map(json.loads, (SAMPLES / "truth.jsonl").read_text("utf-8").splitlines()))
    paths = [SAMPLES / row["file"] for row in rows]
    paths.insert(1, SAMPLES / "none.png")
    with OCRClient(base_url) as client:
        outcomes = list(client.ocr_many(paths, allow_truncated=True))
    assert [outcome.input for outcome in outcomes] == paths
    assert [outcome.index for outcome in outcomes if outcome.error] == [1]


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that does not know its model for the bundled one, and so refuses no task."""
    folder = tmp_path_factory.mktemp("stranger")
    shutil.copytree(BUNDLED_MODEL_PATH, folder / "model")
    with LocalServer(folder / "server.log", ["--model", str(folder / "model")]) as server:
        server.wait_until_ready()
        yield server.base_url


def test_extract_is_constrained(stranger: str) -> None:
    with OCRClient(stranger) as client:
        try:
            text = client.extract(RECEIPT, Receipt, max_tokens=300).model_dump_json()
        except TruncatedError as error:
            text = error.partial.text
    # What the bundled model reads into it is another matter: it knows no forms.
    assert text.lstrip().startswith("{")


def test_pdf(base_url: str) -> None:
    with OCRClient(base_url) as client:
        document = client.read_document(SAMPLES / "receipt.pdf")
    assert "Espresso" in document.text
    assert not document.failed
