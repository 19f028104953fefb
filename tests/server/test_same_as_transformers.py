"""vLLM reads with the bundled model exactly as transformers does, ties in its precision aside."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration

from qwen_ocr import DEFAULT_PROMPT, OCRClient, family_of
from qwen_ocr.type_size import type_height
from qwen_ocr_serve.launch.cpu import computes_in_32_bits
from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH, ServeSettings

IMAGES = sorted((Path(__file__).parents[1] / "evaluation").glob("*-0[0-2].*"))[:20]
MAX_TOKENS = 400


class Reference:
    """The model of transformers, in the server's precision and in float32."""

    def __init__(self) -> None:
        self.processor = AutoProcessor.from_pretrained(BUNDLED_MODEL_PATH)
        in_32_bits = computes_in_32_bits(ServeSettings(), Installation.detect())
        self.model, self.exact = (
            Qwen3VLForConditionalGeneration.from_pretrained(BUNDLED_MODEL_PATH, dtype=dtype)
            for dtype in (torch.float32 if in_32_bits else torch.bfloat16, torch.float32)
        )

    def inputs(self, path: Path) -> dict[str, Any]:
        """Prompt and image as tensors."""
        content = [{"type": "image"}, {"type": "text", "text": DEFAULT_PROMPT}]
        prompt = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        with Image.open(path) as file:
            image = file.convert("RGB")
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

    def encode(self, text: str) -> list[int]:
        """The tokens of an answer, with the one that ends it."""
        tokenizer = self.processor.tokenizer
        return [*tokenizer.encode(text), tokenizer.eos_token_id]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


def test_the_same_tokens_on_20_images(base_url: str, reference: Reference) -> None:
    assert len(IMAGES) == 20
    ties = []
    with OCRClient(base_url) as client:
        for path in IMAGES:
            text = client.ocr(path, max_tokens=MAX_TOKENS, allow_truncated=True).text
            ours = reference.encode(text)[:MAX_TOKENS]
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
    assert len(ties) <= 3, f"too many ties to be chance: {ties}"
