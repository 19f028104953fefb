"""The characters that `mini` is trained to read, and the tokenizer that gives each one token."""

from __future__ import annotations

import string
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

ACCENTED = "ÀÁÂÃÄÇÈÉÊËÌÍÎÏÑÒÓÔÕÖÙÚÛÜŸŒÆàáâãäçèéêëìíîïñòóôõöùúûüÿœæß¿¡ªº«»"
SYMBOLS = "€£¥©°–—‘’“”•"
CHARSET = (
    string.printable[:95] + ACCENTED + SYMBOLS
)  # 95: printable ASCII without control characters

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def build_tokenizer() -> Tokenizer:
    """Byte-level BPE whose only merges join the bytes of one character of `CHARSET`.

    Any text can be encoded, and one character of `CHARSET` is exactly one token, which is what the
    alignment losses and the per-character sub-column labels rely on.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {symbol: index for index, symbol in enumerate(alphabet)}
    merges: list[tuple[str, str]] = []
    to_symbols = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for character in ACCENTED + SYMBOLS:
        symbols = to_symbols.pre_tokenize_str(character)[0][0]
        for end in range(2, len(symbols) + 1):
            if symbols[:end] not in vocab:
                merges.append((symbols[: end - 1], symbols[end - 1]))
                vocab[symbols[:end]] = len(vocab)
    tokenizer = Tokenizer(BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = to_symbols
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    return tokenizer


TOKENIZER = build_tokenizer()


def special_id(token: str) -> int:
    """The id of one of `SPECIAL_TOKENS`."""
    index = TOKENIZER.token_to_id(token)
    assert index is not None, token
    return index


def write_tokenizer(directory: Path) -> None:
    """Write `tokenizer.json` into `directory`."""
    TOKENIZER.save(str(directory / "tokenizer.json"))
