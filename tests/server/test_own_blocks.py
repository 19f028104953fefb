"""Pages for models that tell themselves where the parts of a page are.

vLLM's handler is a fake, for no such model is here: it answers with words in a model's own form.
All around it is real.
"""

import base64
import io
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionRequest,
    ChatCompletionResponse,
    ChatCompletionResponseChoice,
    ChatMessage,
)
from vllm.entrypoints.serve.engine.protocol import UsageInfo

from qwen_ocr.profiles import profile_named
from qwen_ocr_serve.api import answers, documents, page_reader
from qwen_ocr_serve.api.document_request import Job, OCRRequest
from qwen_ocr_serve.documents.files import DocumentFile
from qwen_ocr_serve.documents.workers import PageWorkers

# The field is still OpenAI's for many callers.
pytestmark = pytest.mark.filterwarnings("ignore:max_tokens is deprecated")

# In the form of datalab-to/chandra (`parse_layout`): boxes in thousandths.
CHANDRA = """<div data-bbox="100 50 900 100" data-label="Section-Header"><h2>Results</h2></div>
<div data-bbox="250 500 750 700" data-label="Figure"><img alt="A red square."/></div>"""
PAGE = (2480, 3508)
RED = (620, 1754, 1860, 2455)
"""Where the figure is on the page, in pixels."""


class Engine:
    """A fake of vLLM's handler, which remembers the pictures that it is sent."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sizes: list[tuple[int, int]] = []

    async def create_chat_completion(
        self, request: ChatCompletionRequest, raw: object
    ) -> ChatCompletionResponse:
        content: Any = request.messages[0]["content"]
        (url,) = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
            self.sizes.append(image.size)
        message = ChatMessage(role="assistant", content=self.text)
        choice = ChatCompletionResponseChoice(index=0, message=message)
        return ChatCompletionResponse(model="ocr", choices=[choice], usage=UsageInfo())


async def read(
    engine: Engine, profile: str, monkeypatch: pytest.MonkeyPatch, **asked: Any
) -> dict[str, Any]:
    """The one page of an answer, of a page with a red figure."""
    served = profile_named(profile)
    assert served is not None
    workers = PageWorkers(1)
    monkeypatch.setattr(page_reader, "page_workers", lambda: workers)
    monkeypatch.setattr(answers, "served_profile", lambda: served)
    monkeypatch.setattr(documents, "served_family", lambda: served.family)
    image = Image.new("RGB", PAGE, "white")
    image.paste("red", RED)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    models = SimpleNamespace(base_model_paths=[SimpleNamespace(name="ocr")])
    state: Any = SimpleNamespace(openai_serving_models=models, openai_serving_chat=engine)
    request = OCRRequest.model_validate(
        {"document": {"type": "document_url", "document_url": "file"}, **asked}
    )
    with closing(await DocumentFile.of_bytes(buffer.getvalue())) as file:
        reader = await documents.DocumentReader.of(Job(request, file), state)
        (page,) = [page async for page in reader.pages()]
    await workers.close()
    return page


async def test_blocks_and_pictures_are_those_that_the_model_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine(CHANDRA)
    page = await read(
        engine, "chandra-2", monkeypatch, include_blocks=True, include_image_base64=True
    )
    assert [block["type"] for block in page["blocks"]] == ["title", "image"]
    (figure,) = page["images"]
    names = ("top_left_x", "top_left_y", "bottom_right_x", "bottom_right_y")
    assert [figure[name] for name in names] == pytest.approx(RED, abs=1)
    data = figure["image_base64"].partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(data))) as cut:
        assert cut.size == pytest.approx((1240, 701), abs=2)
        red, green, _ = cut.convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
        assert (red > 240, green < 15) == (True, True)
    # One request for the whole page, within the 6,144 tokens of 32 x 32 pixels that it may cost.
    ((width, height),) = engine.sizes
    assert 0.9 * 6144 < width * height / 32**2 <= 6144


async def test_a_page_is_no_larger_than_the_model_was_trained_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine("---\nprimary_language: en\n---\nHello")
    page = await read(engine, "olmocr-2", monkeypatch)
    assert page["markdown"] == "Hello"
    assert (page["dimensions"]["width"], page["dimensions"]["height"]) == PAGE
    ((width, height),) = engine.sizes
    assert height <= 1288
    assert width / height == pytest.approx(PAGE[0] / PAGE[1], rel=0.02)
