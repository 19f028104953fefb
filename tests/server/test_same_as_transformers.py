"""vLLM reads with the bundled model exactly as transformers does, ties in bfloat16 aside."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration
from transformers.generation.utils import GenerateDecoderOnlyOutput

from qwen_ocr import DEFAULT_PROMPT, OCRClient
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH

IMAGES = sorted((Path(__file__).parents[1] / "evaluation").glob("*-0[0-2].*"))[:20]
MAX_TOKENS = 400


class Reference:
    """Greedy decoding of one image by transformers' `generate`, in bfloat16."""

    def __init__(self) -> None:
        self.processor = AutoProcessor.from_pretrained(BUNDLED_MODEL_PATH)
        self.model = Qwen3VLForConditionalGeneration.from_pretrained(
            BUNDLED_MODEL_PATH, dtype=torch.bfloat16
        )
        self.exact = Qwen3VLForConditionalGeneration.from_pretrained(
            BUNDLED_MODEL_PATH, dtype=torch.float32
        )

    def inputs(self, path: Path) -> dict[str, Any]:
        """Prompt and image as tensors."""
        content = [{"type": "image"}, {"type": "text", "text": DEFAULT_PROMPT}]
        prompt = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        with Image.open(path) as image:
            return dict(
                self.processor(text=[prompt], images=[image.convert("RGB")], return_tensors="pt")
            )

    def read(self, path: Path) -> tuple[list[int], torch.Tensor]:
        """Token ids and the logits (steps, vocabulary) they were chosen from."""
        inputs = self.inputs(path)
        output = self.model.generate(  # type: ignore[misc]  # their annotation of self is off
            **inputs,
            do_sample=False,
            max_new_tokens=MAX_TOKENS,
            output_logits=True,
            return_dict_in_generate=True,
        )
        assert isinstance(output, GenerateDecoderOnlyOutput)
        assert output.logits is not None
        ids = output.sequences[0, inputs["input_ids"].shape[1] :].tolist()
        return ids, torch.stack(list(output.logits)).squeeze(1).float()

    def exact_logits(self, path: Path, ids: list[int]) -> torch.Tensor:
        """The float32 model's logits (vocabulary,) for the token that follows `ids`."""
        inputs = self.inputs(path)
        given = torch.tensor([ids], dtype=torch.long)
        for name, filler in (("input_ids", given), ("attention_mask", torch.ones_like(given))):
            inputs[name] = torch.cat([inputs[name], filler], dim=1)
        inputs["mm_token_type_ids"] = torch.nn.functional.pad(
            inputs["mm_token_type_ids"], (0, len(ids))
        )
        with torch.no_grad():
            logits: torch.Tensor = self.exact(**inputs).logits[0, -1]
        return logits

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
            theirs, logits = reference.read(path)
            if ours == theirs:
                continue
            step = next(
                i for i, pair in enumerate(zip(ours, theirs, strict=False)) if len({*pair}) > 1
            )
            # A tie is what transformers itself decides by rounding: the two tokens are closer
            # than its bfloat16 logits are to its float32 logits.
            gap = float(logits[step, theirs[step]] - logits[step, ours[step]])
            error = logits[step] - reference.exact_logits(path, theirs[:step])
            assert gap <= 2 * float(error.abs().max()), f"{path.name}: token {step}, gap {gap}"
            ties.append(path.name)
    assert len(ties) <= 3, f"too many ties to be chance: {ties}"
