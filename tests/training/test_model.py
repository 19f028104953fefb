"""The training code's network, prompts and labels are those of the model that is served."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from training.batches import IGNORED, IMAGE_PAD, NEWLINE, collate, misread, prompt_ids
from training.charset import CHARSET, TOKENIZER
from training.export import load_weights, write_model
from training.fonts import HELD_OUT_FAMILIES, TRAINING_FAMILIES
from training.model import Mini, Shape
from training.samples import Line, Sample, reading_path


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mini, Path]:
    """A network whose every weight is random and exact in bfloat16, and its export."""
    torch.manual_seed(0)
    network = Mini(Shape(vocab=TOKENIZER.get_vocab_size()))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
            parameter.copy_(parameter.bfloat16().float())
    directory = tmp_path_factory.mktemp("model")
    write_model(network.state_dict(), network.shape, directory)
    return network, directory


def test_transformers_computes_the_same(random_model: tuple[Mini, Path]) -> None:
    network, directory = random_model
    pixels = np.random.default_rng(0).integers(0, 256, (256, 272), dtype=np.uint8)
    processor = AutoProcessor.from_pretrained(directory)
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "OCR"}]}],
        add_generation_prompt=True,
    )
    image = Image.fromarray(pixels).convert("RGB")
    inputs = processor(text=[prompt], images=[image], return_tensors="pt")
    answer = torch.tensor([[5, 60, 7, 80, 9]])
    ids = torch.cat([inputs["input_ids"], answer], dim=1)
    reference = AutoModelForImageTextToText.from_pretrained(directory, dtype=torch.float32)
    with torch.no_grad():
        theirs = reference(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == IMAGE_PAD).long(),
            pixel_values=inputs["pixel_values"],
            image_grid_thw=inputs["image_grid_thw"],
        ).logits[0, -6:]
        images = torch.from_numpy(pixels).float()[None] / 127.5 - 1
        ours = network.logits(network(images, torch.tensor(prompt_ids("OCR")), answer).hidden)[0]
    # Ours multiplies in bfloat16, so it is near, not equal; a wrong formula is off by units.
    assert float((ours - theirs).abs().max()) < 0.05 * float(theirs.abs().max())


def test_training_can_go_on_from_a_model_directory(random_model: tuple[Mini, Path]) -> None:
    network, directory = random_model
    weights = load_weights(directory)
    assert weights.keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        assert torch.allclose(weights[name], value, rtol=2e-2), name


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Hi ä"}]}],
            prompt_ids("Hi ä"),
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image"}]}],
            prompt_ids("Hi", text_first=True),
        ),
        (
            [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Hi"}]},
            ],
            prompt_ids("Hi", system="Be brief."),
        ),
    ],
)
def test_prompts_are_what_the_shipped_template_yields(
    random_model: tuple[Mini, Path],
    messages: list[dict[str, Any]],
    expected: list[int],
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(random_model[1])
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer.encode(text)
    assert [-1 if token == IMAGE_PAD else token for token in ids] == expected


def test_one_character_is_one_token_and_any_text_survives() -> None:
    assert all(len(TOKENIZER.encode(character).ids) == 1 for character in CHARSET)
    for text in (CHARSET, "naïve – “quoted” 12 €", "日本語 🙂\n\ttab"):
        assert TOKENIZER.decode(TOKENIZER.encode(text).ids) == text


def test_no_family_is_both_trained_on_and_held_out() -> None:
    assert not set(TRAINING_FAMILIES) & set(HELD_OUT_FAMILIES)


def test_the_path_leads_from_character_to_character_and_past_the_line() -> None:
    top = Line("ab", np.array([0.0, 16.0, 32.0]), np.full(3, 8.0), 14.0)
    bottom = Line("c", np.array([16.0, 32.0]), np.full(2, 24.0), 14.0)
    sample = Sample(np.full((32, 48), 255, dtype=np.uint8), [top, bottom])
    # Tokens in reading order are 0 1 2 / 3 4 5; each line ends in the token after its last.
    assert reading_path(sample).tolist() == [0, 1, 2, 4, 5]
    batch = collate([sample], prompt_ids("OCR"))
    assert TOKENIZER.decode(batch.labels[0].tolist()[:-1]) == "ab\nc"
    assert batch.labels.shape == batch.path.shape == (1, 5)
    # A visual token and the position that reads it are given the same line.
    assert batch.shown_line[0].tolist() == [0, 0, IGNORED, IGNORED, 1, IGNORED]
    assert batch.read_line[0].tolist() == [0, 0, 0, 1, 1]


def test_misreading_changes_what_was_read_and_not_what_is_to_be_read() -> None:
    line = Line("abcdefgh", np.arange(0, 72, 8, dtype=np.float64), np.full(9, 8.0), 14.0)
    sample = Sample(np.full((32, 64), 255, dtype=np.uint8), [line, line])
    short = Sample(sample.image, [Line("ab", np.array([0.0, 8.0, 16.0]), np.full(3, 8.0), 14.0)])
    batch = collate([sample] * 8 + [short] * 8, prompt_ids("OCR"))
    true, labels = batch.answer.clone(), batch.labels.clone()
    changed = [misread(random.Random(seed), batch).answer for seed in range(8)]
    assert any((answer != true).any() for answer in changed)
    assert all(((answer == NEWLINE) == (true == NEWLINE)).all() for answer in changed)
    # What is put in is of the same text, never what fills up the shorter ones.
    assert all(
        set(answer[8:, :2].flatten().tolist()) == set(true[8, :2].tolist()) for answer in changed
    )
    assert (batch.labels == labels).all()
