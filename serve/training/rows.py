"""Embeddings that are put together from characters, so that tokens share what they learn.

A token of several characters is read as its characters are: the score of "12" is mostly that of a
"1" now and of a "2" after it. So a row is the sum of a part for each character in its place, shared
by all tokens with that character there, and of a part of its own. In the model that is exported the
sums are plain rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.utils import parametrize

from training.charset import CHARSET, LONGEST, TOKENIZER, as_symbols
from training.export import load_weights
from training.model import Mini

OTHERS = 0.15  # how strong the parts of the characters but one are at the start


def characters_of_tokens(*, backwards: bool) -> Tensor:
    """(vocab, LONGEST + 1) numbers of parts: each character in its place, then the length.

    Places count from the first character, or `backwards` from the last. 0 stands for no part: all
    that a token outside `CHARSET` has.
    """
    numbers = {character: index for index, character in enumerate(CHARSET)}
    vocab = TOKENIZER.get_vocab()
    parts = torch.zeros(len(vocab), LONGEST + 1, dtype=torch.long)
    for token, row in vocab.items():
        text = TOKENIZER.decode([row])
        if as_symbols(text) != token or not set(CHARSET).issuperset(text):
            continue
        for place, character in enumerate(reversed(text) if backwards else text):
            parts[row, place] = 1 + place * len(CHARSET) + numbers[character]
        parts[row, LONGEST] = LONGEST * len(CHARSET) + len(text)
    return parts


class Composed(nn.Module):
    """Adds to each row the parts of its characters."""

    parts: Tensor

    def __init__(self, width: int, *, backwards: bool) -> None:
        super().__init__()
        self.register_buffer("parts", characters_of_tokens(backwards=backwards), persistent=False)
        self.table = nn.Parameter(torch.zeros(1 + LONGEST * len(CHARSET) + LONGEST, width))

    def forward(self, own: Tensor) -> Tensor:
        return own + F.embedding_bag(self.parts, self.table, mode="sum", padding_idx=0)


def compose(mini: Mini) -> None:
    """Let both embeddings be sums, which at first are what they were."""
    width = mini.shape.hidden
    # Reading on from a token depends on its last character, writing one on its first.
    parametrize.register_parametrization(
        mini.language_model.embed_tokens, "weight", Composed(width, backwards=True), unsafe=True
    )
    parametrize.register_parametrization(
        mini.lm_head, "weight", Composed(width, backwards=False), unsafe=True
    )


def parts_of(module: nn.Module) -> tuple[Composed, Tensor]:
    """What the rows of an embedding are composed of: the shared parts, and their own."""
    parametrizations: Any = module.parametrizations
    return parametrizations.weight[0], parametrizations.weight.original


@torch.no_grad()
def start_from(mini: Mini, directory: Path) -> None:
    """Take the weights of a model directory, whose tokens may be single characters.

    Rows of tokens that it has are taken as they are. From characters, a token has the row of the
    one that matters most, its last where it is read and its first where it is written, and weakly
    those of the others, each place turned its own way. What else both have, they share.
    """
    weights = load_weights(directory)
    before = Tokenizer.from_file(str(directory / "tokenizer.json")).get_vocab()
    read = weights.pop("language_model.embed_tokens.weight")
    written = weights.pop("lm_head.weight", read)
    missing, unexpected = mini.load_state_dict(weights, strict=False)
    assert not unexpected, unexpected
    assert all("embed_tokens" in name or "lm_head" in name for name in missing), missing
    vocab = TOKENIZER.get_vocab()
    for module, rows in ((mini.language_model.embed_tokens, read), (mini.lm_head, written)):
        composed, own = parts_of(module)
        for token, row in vocab.items():
            if token in before:
                own[row] = rows[before[token]]
        parted = composed.parts[:, LONGEST] > 0
        if all(token in before for token, row in vocab.items() if parted[row]):
            continue
        own[parted] = 0.0
        characters = rows[[before[as_symbols(character)] for character in CHARSET]]
        centred = characters - characters.mean(dim=0)
        size = len(CHARSET)
        for place in range(LONGEST):
            turn, _ = torch.linalg.qr(torch.randn(mini.shape.hidden, mini.shape.hidden))
            part = OTHERS * centred @ turn if place else characters
            composed.table[1 + place * size : 1 + (place + 1) * size] = part


def plain_weights(mini: Mini) -> dict[str, Tensor]:
    """The weights with the sums as rows, by the names of a `Mini` without parts."""
    weights = {}
    for name, value in mini.state_dict().items():
        if "parametrizations" not in name:
            weights[name] = value
    weights["language_model.embed_tokens.weight"] = mini.language_model.embed_tokens.weight.detach()
    weights["lm_head.weight"] = mini.lm_head.weight.detach()
    return weights
