"""vLLM reads with the bundled model exactly as transformers does, ties in bfloat16 aside."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration
from transformers.generation.utils import GenerateDecoderOnlyOutput

from qwen_ocr import DEFAULT_PROMPT, OCRClient
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH

IMAGES = sorted((Path(__file__).parents[1] / "evaluation").glob("*-0[0-2].*"))[:20]
TIE = 0.25
"""Logits this close may swap places: two steps of bfloat16 at the size that logits have here."""


class Reference:
    """Greedy decoding by transformers' `generate`."""

    def __init__(self) -> None:
        self.processor = AutoProcessor.from_pretrained(BUNDLED_MODEL_PATH)
        self.model = Qwen3VLForConditionalGeneration.from_pretrained(
            BUNDLED_MODEL_PATH, dtype=torch.bfloat16
        )

    def read(self, path: Path) -> tuple[list[int], torch.Tensor]:
        """Token ids and the logits (steps, vocabulary) they were chosen from."""
        content = [{"type": "image"}, {"type": "text", "text": DEFAULT_PROMPT}]
        prompt = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        with Image.open(path) as image:
            inputs = self.processor(
                text=[prompt], images=[image.convert("RGB")], return_tensors="pt"
            )
        output = self.model.generate(  # type: ignore[misc]  # their annotation of self is off
            **inputs,
            do_sample=False,
            max_new_tokens=600,
            output_logits=True,
            return_dict_in_generate=True,
        )
        assert isinstance(output, GenerateDecoderOnlyOutput)
        assert output.logits is not None
        ids = output.sequences[0, inputs["input_ids"].shape[1] :].tolist()
        return ids, torch.stack(list(output.logits)).squeeze(1).float()

    def encode(self, text: str) -> list[int]:
        """The tokens of an answer, with the one that ends it."""
        tokenizer = self.processor.tokenizer
        return [*tokenizer.encode(text), tokenizer.eos_token_id]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


def test_the_same_tokens_on_20_images(base_url: str, reference: Reference) -> None:
    assert len(IMAGES) == 20
    different = []
    with OCRClient(base_url) as client:
        for path in IMAGES:
            ours = reference.encode(client.ocr(path, max_tokens=600, allow_truncated=True).text)
            ids, logits = reference.read(path)
            for step, (mine, theirs) in enumerate(zip(ours, ids, strict=False)):
                if mine != theirs:
                    gap = float(logits[step, theirs] - logits[step, mine])
                    assert gap <= TIE, f"{path.name}: token {step} differs by {gap} in logits"
                    different.append(path.name)
                    break
            else:
                assert abs(len(ours) - len(ids)) <= 1  # an answer cut at 600 has no end token
    assert len(different) <= 2, f"too many ties to be chance: {different}"
