"""The training code's network, prompts and labels are those of the model that is served."""

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from training import chinese
from training.batches import IGNORED, IMAGE_PAD, NEWLINE, collate, misread, prompt_ids
from training.charset import CHARSET, CHINESE, HANZI, TOKENIZER
from training.export import load_weights, write_model
from training.fonts import HELD_OUT_FAMILIES, TRAINING_FAMILIES, VALIDATION_FAMILIES
from training.model import Mini, Shape
from training.rows import compose, parts_of, plain_weights, start_from
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
    assert len(HANZI) == 3755
    assert all(len(TOKENIZER.encode(character).ids) == 1 for character in CHARSET + CHINESE)
    for text in (
        CHARSET,
        CHINESE,
        "naïve – “quoted” 12 €",
        "第3页，共 12 页。",
        "日本語 🙂\n\ttab",
    ):
        assert TOKENIZER.decode(TOKENIZER.encode(text).ids) == text


def test_text_is_cut_from_the_left_at_the_longest_token() -> None:
    tokens = {TOKENIZER.decode([row]) for row in range(TOKENIZER.get_vocab_size())}
    for text in ("The ferry leaves at 18:40", "Total 1,250.00", "nächste Straße", "x\ny z"):
        rest = text
        for start, end in TOKENIZER.encode(text).offsets:
            assert rest.startswith(text[start:end])
            # No token goes on from one word into the next one.
            word = re.match(r" ?\S+|\s", rest)
            assert word
            longest = max((t for t in tokens if word[0].startswith(t)), key=len)
            assert text[start:end] == longest
            rest = rest[end - start :]


def test_a_token_of_the_start_is_like_its_characters(random_model: tuple[Mini, Path]) -> None:
    _, directory = random_model
    mini = Mini(Shape(vocab=TOKENIZER.get_vocab_size()))
    compose(mini)
    start_from(mini, directory)
    weights = load_weights(directory)
    for name, value in plain_weights(mini).items():  # the same tokens: nothing has changed
        assert torch.allclose(value, weights[name], atol=1e-6), name


def test_tokens_that_share_a_character_share_its_part() -> None:
    mini = Mini(Shape(vocab=TOKENIZER.get_vocab_size()))
    compose(mini)
    composed, _ = parts_of(mini.lm_head)
    before = mini.lm_head.weight.detach().clone()
    twelve, one = TOKENIZER.encode("12").ids[0], TOKENIZER.encode("1").ids[0]
    with torch.no_grad():
        composed.table[composed.parts[twelve, 0]] += 1
    changed = (mini.lm_head.weight - before).abs().amax(dim=1) > 0
    assert changed[twelve]
    assert changed[one]
    assert not changed[TOKENIZER.encode("21").ids[0]]


def test_no_family_is_both_trained_on_and_held_out() -> None:
    for families in (
        (*TRAINING_FAMILIES, *VALIDATION_FAMILIES, *HELD_OUT_FAMILIES),
        (
            *chinese.TRAINING_FAMILIES,
            *chinese.VALIDATION_FAMILIES,
            *chinese.HELD_OUT_FAMILIES,
        ),
    ):
        assert len(set(families)) == len(families)


def test_the_path_leads_from_character_to_character_and_past_the_line() -> None:
    top = Line("ab", np.array([0.0, 16.0, 32.0]), np.full(3, 8.0), 14.0)
    bottom = Line("c", np.array([16.0, 32.0]), np.full(2, 24.0), 14.0)
    sample = Sample(np.full((32, 48), 255, dtype=np.uint8), [top, bottom])
    # Tokens in reading order are 0 1 2 / 3 4 5; each line ends in the token after its last.
    assert reading_path(sample).tolist() == [0, 1, 2, 4, 5]
    batch = collate([sample], prompt_ids("OCR"))
    assert TOKENIZER.decode(batch.labels[0].tolist()[:-1]) == "ab\nc"
    # "ab" is one token; then the line's end, "c" and the end.
    assert batch.first[0].tolist() == [0, 2, 4, 5]
    assert batch.last[0].tolist() == [1, 2, 4, 5]
    assert batch.labels.shape == (1, 4)
    # A visual token and the position that reads it are given the same line.
    assert batch.shown_line[0].tolist() == [0, 0, IGNORED, IGNORED, 1, IGNORED]
    assert batch.read_line[0].tolist() == [0, 0, 1, 1]


def test_misreading_changes_what_was_read_and_not_what_is_to_be_read() -> None:
    line = Line("abcdefgh", np.arange(0, 72, 8, dtype=np.float64), np.full(9, 8.0), 14.0)
    sample = Sample(np.full((32, 64), 255, dtype=np.uint8), [line, line])
    short = Sample(sample.image, [Line("xq", np.array([0.0, 8.0, 16.0]), np.full(3, 8.0), 14.0)])
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
