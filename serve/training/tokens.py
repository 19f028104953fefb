"""Choose the strings that `mini` writes in one step: `python -m training.tokens`.

They are what byte-pair encoding joins first in random text of the kinds that are trained on, and
groups of digits. Their order is that of the rows of the model's weights: choosing others means
training anew.
"""

from __future__ import annotations

import json
import random

from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from training.charset import CHARSET, LONGEST, TOKENS_FILE, UNIT
from training.text import DICTIONARIES, TextSource

TEXTS, WORDS = 8000, 60
COUNT = 2000
"""Strings that are learnt, besides digits."""


def sample_texts() -> list[str]:
    """Running text, half of it in all languages alike, with some numbers and codes."""
    texts = []
    for number in range(TEXTS):
        rng = random.Random(f"tokens {number}")
        source = TextSource(rng)
        source.pool = []
        if number % 2:
            source.language = rng.choice(list(DICTIONARIES))
        source.odd = rng.choice((0.03, 0.1))
        texts.append(" ".join(source.token() for _ in range(WORDS)))
    return texts


def choose() -> list[str]:
    """The strings of two and more characters, the most useful ones first."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(UNIT), "isolated")
    trainer = BpeTrainer(
        vocab_size=len(CHARSET) + COUNT,
        max_token_length=LONGEST,
        initial_alphabet=list(CHARSET),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sample_texts(), trainer)
    vocab = tokenizer.get_vocab()
    learnt = [token for token in sorted(vocab, key=vocab.__getitem__) if len(token) > 1]
    pairs = [f"{number:02d}" for number in range(100)]
    before = ("", ".", " ")
    digits = [f" {digit}" for digit in range(10)] + [f"{b}{pair}" for b in before for pair in pairs]
    return list(dict.fromkeys([*learnt, *digits]))


def main() -> None:
    TOKENS_FILE.write_text(json.dumps(choose(), ensure_ascii=False, indent=0) + "\n")


if __name__ == "__main__":
    main()
