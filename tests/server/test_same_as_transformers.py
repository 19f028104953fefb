"""vLLM reads with the bundled model exactly as transformers does, ties in its precision aside."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from openai import OpenAI
from PIL import Image
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration

from qwen_ocr import DEFAULT_PROMPT, family_of
from qwen_ocr.type_size import type_height
from qwen_ocr_serve.launch.cpu import computes_in_32_bits
from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH, ServeSettings

CORNER = (160, 64)
"""Pixels: larger images are read in pieces."""
PATHS = sorted((Path(__file__).parents[1] / "evaluation").glob("*-[01][0-9].*"))[::4]
MAX_TOKENS = 400


def corner(path: Path) -> Image.Image:
    """The part of an evaluation image that is small enough to be read as a whole."""
    with Image.open(path) as image:
        part = image.convert("RGB").crop((0, 0, *CORNER))
    assert not family_of("mini").in_pieces(part.size)
    return part


class Reference:
    """The model of transformers, in the server's precision and in float32."""

    def __init__(self) -> None:
        self.processor = AutoProcessor.from_pretrained(BUNDLED_MODEL_PATH)
        in_32_bits = computes_in_32_bits(ServeSettings(), Installation.detect())
        self.model, self.exact = (
            Qwen3VLForConditionalGeneration.from_pretrained(BUNDLED_MODEL_PATH, dtype=dtype)
            for dtype in (torch.float32 if in_32_bits else torch.bfloat16, torch.float32)
        )
        tokenizer = self.processor.tokenizer
        self.ids = {tokenizer.decode([token]): token for token in range(len(tokenizer))}

    def inputs(self, path: Path) -> dict[str, Any]:
        """Prompt and image as tensors."""
        content = [{"type": "image"}, {"type": "text", "text": DEFAULT_PROMPT}]
        prompt = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        image = corner(path)
        # As the server does before its processor sees the image.
        size = family_of("mini").enlarged(image.size, type_height(image))
        if size != image.size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        return dict(self.processor(text=[prompt], images=[image], return_tensors="pt"))

    def logits(
        self, model: Qwen3VLForConditionalGeneration, path: Path, ids: list[int]
    ) -> torch.Tensor:
        """What each token of the answer `ids` is chosen from, (tokens, vocabulary)."""
        inputs = self.inputs(path)
        answer = torch.tensor([ids])
        for name, more in (
            ("input_ids", answer),
            ("attention_mask", torch.ones_like(answer)),
            ("mm_token_type_ids", torch.zeros_like(answer)),
        ):
            inputs[name] = torch.cat([inputs[name], more], dim=1)
        with torch.no_grad():
            logits: torch.Tensor = model(**inputs).logits[0, -len(ids) - 1 : -1]
        return logits.float()


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


def read(base_url: str, path: Path) -> list[str]:
    """The tokens of the server's answer; a text may be written in others than its shortest."""
    file = io.BytesIO()
    corner(path).save(file, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    content: Any = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": DEFAULT_PROMPT},
    ]
    with OpenAI(base_url=f"{base_url}/v1", api_key="none") as client:
        answer = client.chat.completions.create(
            model="mini",
            messages=[{"role": "user", "content": content}],
            temperature=0,
            max_tokens=MAX_TOKENS,
            logprobs=True,
        )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    return [token.token for token in logprobs.content or ()]


def test_the_same_tokens_on_35_images(base_url: str, reference: Reference) -> None:
    assert len(PATHS) == 35
    ties = []
    for path in PATHS:
        ours = [reference.ids[token] for token in read(base_url, path)]
        logits = reference.logits(reference.model, path, ours)
        # Greedy decoding takes the most probable token after those that it has taken. If that
        # is ours at each step, so is the whole answer.
        gaps = logits.max(dim=1).values - logits[range(len(ours)), ours]
        if not gaps.any():
            continue
        # A tie is what transformers itself decides by rounding: the two tokens are closer
        # than its bfloat16 logits are to its float32 logits. In float32 there is none.
        errors = (logits - reference.logits(reference.exact, path, ours)).abs().max(dim=1)
        assert (gaps <= 2 * errors.values).all(), f"{path.name}: {gaps.max()}"
        ties.append(path.name)
    assert len(ties) <= 5, f"too many ties to be chance: {ties}"
