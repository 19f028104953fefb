"""The characters that `mini` is trained to read, and the tokenizer that writes several at once."""

from __future__ import annotations

import json
import string
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordPiece

ACCENTED = "ÀÁÂÃÄÇÈÉÊËÌÍÎÏÑÒÓÔÕÖÙÚÛÜŸŒÆàáâãäçèéêëìíîïñòóôõöùúûüÿœæß¿¡ªº«»"
SYMBOLS = "€£¥©°–—‘’“”•"
CHARSET = (
    string.printable[:95] + ACCENTED + SYMBOLS
)  # 95: printable ASCII without control characters
"""Latin letters, digits and signs."""

HANZI_CODES = range(0xB0A1, 0xD7FA)
"""GB 2312's first level in its 8-bit form: 3,755 characters, ordered by sound."""
HANZI = "".join(
    code.to_bytes(2, "big").decode("gb2312")
    for code in HANZI_CODES
    if code & 0xFF >= 0xA1 and code & 0xFF != 0xFF
)
CHINESE = HANZI + "，。、；：？！（）《》【】…％"
"""Chinese characters, and the signs between them that `CHARSET` lacks."""

LONGEST = 5  # characters of a token
UNIT = r" ?[^\s]{1,40}|\s"  # a word with the space before it; no token goes over its end
TOKENS_FILE = Path(__file__).with_name("tokens.json")

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
    """Cuts text from the left, each time at the longest token that fits.

    A reader can tell the next token from the next few characters alone, which it could not if, as
    in byte-pair encoding, the cut depended on the whole word. Tokens are the 256 bytes, so that any
    text can be encoded, the characters of `CHARSET` and of `CHINESE`, and the strings that
    `tokens.py` chose.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {symbol: index for index, symbol in enumerate(alphabet)}
    strings = json.loads(TOKENS_FILE.read_text(encoding="utf-8"))
    for text in [*ACCENTED, *SYMBOLS, *strings, *CHINESE]:
        vocab.setdefault(as_symbols(text), len(vocab))
    tokenizer = Tokenizer(
        # The unknown token is never needed: every byte is a token.
        WordPiece(
            vocab,
            unk_token=alphabet[0],
            continuing_subword_prefix="",
            max_input_chars_per_word=1000,
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(UNIT), "isolated"), _TO_SYMBOLS]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    return tokenizer


_TO_SYMBOLS = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def as_symbols(text: str) -> str:
    """Text with a printable symbol for each byte, as vocabularies of byte-level tokens write it."""
    return "".join(symbols for symbols, _ in _TO_SYMBOLS.pre_tokenize_str(text))


TOKENIZER = build_tokenizer()


def special_id(token: str) -> int:
    """The id of one of `SPECIAL_TOKENS`."""
    index = TOKENIZER.token_to_id(token)
    assert index is not None, token
    return index


def write_tokenizer(directory: Path) -> None:
    """Write `tokenizer.json` into `directory`."""
    TOKENIZER.save(str(directory / "tokenizer.json"))
