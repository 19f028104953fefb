"""Without GPU the bundled model guesses ahead, and answers as if it did not."""

import base64
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from qwen_ocr import DEFAULT_PROMPT
from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_tools.evaluation.loading import load_dataset
from qwen_ocr_tools.evaluation.metrics import character_errors

SAMPLES = load_dataset(Path(__file__).parents[1] / "evaluation").samples
PAGES = {sample.path: sample.text or "" for sample in SAMPLES if sample.kind == "paragraph"}

pytestmark = pytest.mark.skipif(not Installation.detect().cpu, reason="a GPU server does not guess")


@pytest.fixture(scope="module")
def sdk(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{base_url}/v1", api_key="none", max_retries=0) as sdk:
        yield sdk


def read(sdk: openai.OpenAI, page: Path, **fields: Any) -> str:
    """The text of an image, with more fields in the request."""
    image = base64.b64encode(page.read_bytes()).decode()
    answer = sdk.chat.completions.create(
        model="mini",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
                    {"type": "text", "text": DEFAULT_PROMPT},
                ],
            }
        ],
        extra_body=fields,
    )
    return answer.choices[0].message.content or ""


def guessed(http: httpx2.Client) -> float:
    """How many tokens were guessed rightly since the server's start."""
    name = "vllm:spec_decode_num_accepted_tokens_total"
    found = re.search(rf"^{name}{{.*}} (\S+)$", http.get("/metrics").text, re.M)
    assert found
    return float(found[1])


def test_two_in_five_characters_are_guessed(sdk: openai.OpenAI, http: httpx2.Client) -> None:
    before = guessed(http)
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda page: read(sdk, page), PAGES))
    assert guessed(http) - before > 0.4 * sum(map(len, texts))


def test_answers_drawn_at_random_are_of_the_page_as_well(sdk: openai.OpenAI) -> None:
    # Together, so that requests of all kinds are computed in the same steps.
    kinds: list[dict[str, Any]] = [
        {"temperature": 0.0},
        {"temperature": 0.5},
        {"temperature": 0.5, "top_k": 5},
        {"temperature": 0.5, "top_p": 0.9, "seed": 1},
        {"temperature": 0.5, "top_k": 1, "repetition_penalty": 1.01},
    ]
    calls = [(page, kinds[index % len(kinds)]) for index, page in enumerate(PAGES)]
    with ThreadPoolExecutor(len(calls)) as pool:
        texts = list(pool.map(lambda call: read(sdk, call[0], **call[1]), calls))
    for text, (page, kind) in zip(texts, calls, strict=True):
        assert character_errors(PAGES[page], text).value < 0.2, (page.name, kind, text)
    alone = read(sdk, calls[2][0], temperature=0.5, top_k=5)  # no other request in its steps
    assert character_errors(PAGES[calls[2][0]], alone).value < 0.2, alone


@pytest.mark.parametrize("field", [{"logit_bias": {"5": 1}}, {"min_p": 0.1, "temperature": 0.5}])
def test_what_vllm_cannot_do_while_guessing_is_refused(
    sdk: openai.OpenAI, field: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError, match="speculative decoding"):
        read(sdk, next(iter(PAGES)), **field)
