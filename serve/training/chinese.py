"""Simplified Chinese: its font families, and random text in it, with Latin letters and digits."""

from __future__ import annotations

import itertools
import random
from functools import cache
from pathlib import Path

from training.charset import CHINESE, HANZI
from training.fonts import FontPicker
from training.text import TextSource

TRAINING_FAMILIES = (
    "Noto Sans CJK SC", "Noto Serif CJK SC", "WenQuanYi Zen Hei", "TW-Sung", "TW-Kai",
    "LXGW WenKai",
)  # fmt: skip
VALIDATION_FAMILIES = ("AR PL SungtiL GB",)
HELD_OUT_FAMILIES = ("WenQuanYi Micro Hei", "AR PL UKai CN")
"""None has its outlines from a family that is trained on (AR PL UMing has SungtiL's)."""
DEBIAN_PACKAGES = (
    "fonts-noto-cjk", "fonts-noto-cjk-extra", "fonts-wqy-zenhei", "fonts-wqy-microhei",
    "fonts-arphic-gbsn00lp", "fonts-arphic-ukai", "fonts-cns11643-sung", "fonts-cns11643-kai",
    "fonts-lxgw-wenkai",
)  # fmt: skip

DICTIONARY = Path("/usr/lib/python3/dist-packages/jieba/dict.txt")
"""Words and how often they occur, of Debian's python3-jieba."""
FLATTENED = 0.4
"""Exponent of a word's frequency: common words are common, and rare ones come."""
ANY_CHARACTER = 0.5
"""Part of the words that are characters each as likely as the others: nothing can be guessed, and
seldom ones are learnt."""
STOPS = "，" * 9 + "。" * 7 + "、、；：？！…"
BRACKETS = ("“”", "“”", "（）", "（）", "《》", "‘’", "【】", "()")
UNITS = (
    "元",
    "%",
    "％",
    "年",
    "月",
    "日",
    "岁",
    "人",
    "个",
    "公里",
    "千克",
    "万元",
    "页",
    "号",
    "点",
)


def font_picker(families: tuple[str, ...]) -> FontPicker:
    """Faces of Chinese families."""
    return FontPicker(families, CHINESE, DEBIAN_PACKAGES)


@cache
def _dictionary() -> tuple[list[str], list[float]]:
    """Words whose characters are known, and running sums of their weights."""
    known = set(HANZI)
    words, weights = [], []
    for line in DICTIONARY.read_text(encoding="utf-8").splitlines():
        word, count, _ = line.split(" ")
        if known.issuperset(word):
            words.append(word)
            weights.append(float(count) ** FLATTENED)
    return words, list(itertools.accumulate(weights))


class ChineseSource(TextSource):
    """Draws Chinese text, whose words stand together."""

    def __init__(self, rng: random.Random) -> None:
        self.spaced = rng.random() < 0.5  # paper between Chinese and Latin characters
        super().__init__(rng)
        self.odd = rng.choice((0.0, 0.04, 0.1, 0.25))

    def word(self) -> str:
        """A word of the dictionary, or characters at random."""
        if self.rng.random() < ANY_CHARACTER:
            return "".join(self.rng.choices(HANZI, k=self.rng.randint(1, 4)))
        words, sums = _dictionary()
        return self.rng.choices(words, cum_weights=sums)[0]

    def join(self, tokens: list[str]) -> str:
        """The words as a text."""
        return " ".join("".join(tokens).split())

    def _new_token(self) -> str:
        rng = self.rng
        if rng.random() < self.odd:
            kind = rng.random()
            if kind < 0.35:
                piece = self.number()
            elif kind < 0.5:
                piece = str(rng.randrange(10 ** rng.randint(1, 4))) + rng.choice(UNITS)
            elif kind < 0.65:
                piece = self.code()
            elif kind < 0.7:
                piece = self.address()
            else:
                piece = super().word()
            return f" {piece} " if self.spaced else piece
        piece = self.word()
        if rng.random() < 0.2:
            piece += rng.choice(STOPS)
        elif rng.random() < 0.06:
            brackets = rng.choice(BRACKETS)
            piece = brackets[0] + piece + brackets[1]
        return piece

    def label(self) -> str:
        """The left part of a form's or a receipt's row."""
        words = "".join(self.word() for _ in range(self.rng.randint(1, 3)))
        return words + self.rng.choice(("", "", "：", "：", ":"))

    def value(self) -> str:
        """The right part of a form's or a receipt's row."""
        kind = self.rng.random()
        if kind < 0.4:
            return super().value()
        if kind < 0.6:
            return str(self.rng.randrange(10 ** self.rng.randint(1, 5))) + self.rng.choice(UNITS)
        return "".join(self.word() for _ in range(self.rng.randint(1, 4)))
