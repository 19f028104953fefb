"""Answers that are drawn at random, in all the ways that a request may ask for."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from qwen_ocr import DEFAULT_PROMPT
from qwen_ocr_tools.evaluation.loading import load_dataset
from qwen_ocr_tools.evaluation.metrics import character_errors

SAMPLES = load_dataset(Path(__file__).parents[1] / "evaluation").samples
PAGES = {sample.path: sample.text or "" for sample in SAMPLES if sample.kind == "paragraph"}


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


def test_answers_drawn_at_random_are_of_the_page_as_well(sdk: openai.OpenAI) -> None:
    # Together, so that requests of all kinds are computed in the same steps.
    kinds: list[dict[str, Any]] = [
        {"temperature": 0.0},
        {"temperature": 0.5},
        {"temperature": 0.5, "top_k": 5},
        {"temperature": 0.5, "top_p": 0.9, "seed": 1},
        {"temperature": 0.5, "top_k": 1, "repetition_penalty": 1.01},
        {"temperature": 0.5, "min_p": 0.1},
        {"temperature": 0.5, "logit_bias": {"5": 1}},
    ]
    calls = [(page, kinds[index % len(kinds)]) for index, page in enumerate(PAGES)]
    with ThreadPoolExecutor(len(calls)) as pool:
        texts = list(pool.map(lambda call: read(sdk, call[0], **call[1]), calls))
    for text, (page, kind) in zip(texts, calls, strict=True):
        assert character_errors(PAGES[page], text).value < 0.2, (page.name, kind, text)
    alone = read(sdk, calls[2][0], temperature=0.5, top_k=5)  # no other request in its steps
    assert character_errors(PAGES[calls[2][0]], alone).value < 0.2, alone


def test_a_prompt_of_several_steps_may_have_a_seed(sdk: openai.OpenAI) -> None:
    # A step takes 2,048 tokens. vLLM alone ends the whole server here.
    answer = sdk.chat.completions.create(
        model="mini",
        messages=[{"role": "user", "content": "ä" * 4000}],
        temperature=0.5,
        seed=7,
        max_tokens=16,
    )
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 4000
