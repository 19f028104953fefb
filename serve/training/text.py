"""Random text to train on: prose, numbers, codes, receipts and forms, within `charset.CHARSET`.

Half of it makes no sense on purpose. A reader must copy what is there, so words are drawn from
dictionaries without regard to grammar, and codes and random strings have no words at all.
"""

from __future__ import annotations

import random
import string
from functools import cache
from pathlib import Path

from training.charset import ACCENTED, CHARSET, SYMBOLS

DICTIONARIES = {
    "american-english": 0.62,
    "french": 0.1,
    "ngerman": 0.1,
    "spanish": 0.09,
    "portuguese": 0.09,
}
COMMON_WORDS = Path(__file__).with_name("common_words.txt").read_text(encoding="utf-8").split()
FEW_TOKENS = 0.3  # of the blocks are written with a handful of words that come again and again
LOOK_ALIKES = "0OoQ1lI|!7TZz2S5s$8B36Gg9q4A.,:;'-" + "àáâãäèéêëìíîïòóôõöùúûüi"
PUNCTUATED_ENDS = (".",) * 10 + (",",) * 9 + ("!", "?", ";", ":", ".”", ")")


@cache
def dictionary(name: str) -> list[str]:
    """The words of `/usr/share/dict/<name>` that `CHARSET` covers."""
    lines = Path("/usr/share/dict", name).read_text(encoding="utf-8").splitlines()
    allowed = set(CHARSET)
    return [word for word in lines if 1 < len(word) < 16 and allowed.issuperset(word)]


class TextSource:
    """Draws text from one random generator; `language` is fixed for a block of text."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.language = rng.choices(list(DICTIONARIES), list(DICTIONARIES.values()))[0]
        self.odd = rng.choice((0.03, 0.1, 0.3, 0.9))
        self.caps = rng.random() < 0.08
        self.prices = rng.random() < 0.5  # in rows: values that resemble each other
        # Lines that resemble each other, where a reader that has lost its place is found out.
        few = rng.random() < FEW_TOKENS
        self.pool = [self._new_token() for _ in range(rng.randint(4, 16))] if few else []

    def word(self) -> str:
        """A common word, or one from the dictionary, sometimes capitalised."""
        rng = self.rng
        if rng.random() < 0.35:
            word = rng.choice(COMMON_WORDS)
        else:
            word = rng.choice(dictionary(self.language))
        style = rng.random()
        if style < 0.12:
            return word.capitalize()
        return word.upper() if style < 0.16 else word

    def number(self) -> str:
        """A number, price, percentage, date, time, telephone number or measure."""
        rng = self.rng
        n = rng.randrange
        kind = n(12)
        amount = f"{rng.choice((n(10), n(100), n(1000), n(100000))):,}.{n(100):02d}"
        if kind < 2:
            return str(rng.choice((n(10), n(100), n(10000), n(10**7))))
        if kind == 2:
            return amount
        if kind < 5:
            amount = amount.translate(str.maketrans(",.", ".,")) if rng.random() < 0.4 else amount
            symbol = rng.choice("$€£¥")
            return rng.choice((symbol + amount, f"{amount} {symbol}", "-" + amount, amount))
        if kind == 5:
            return f"{n(1000) / 10:g}%"
        if kind < 8:
            day, month, year = n(1, 32), n(1, 13), n(1950, 2050)
            return rng.choice(
                (
                    f"{day:02d}.{month:02d}.{year}",
                    f"{month}/{day}/{year % 100:02d}",
                    f"{year}-{month:02d}-{day:02d}",
                    f"{day:02d}/{month:02d}/{year}",
                )
            )
        if kind == 8:
            return f"{n(24):02d}:{n(60):02d}" + rng.choice(("", f":{n(60):02d}", " AM", " PM"))
        if kind == 9:
            return rng.choice(("+", "00", "(")) + rng.choice(
                (
                    f"{n(1, 99)} {n(10, 999)} {n(10**5, 10**7)}",
                    f"{n(100, 999)}) {n(100, 999)}-{n(1000, 9999)}",
                )
            )
        if kind == 10:
            size = rng.choice((n(10), n(1, 500), n(1, 100) / 10))
            unit = rng.choice(("°C", "°", "kg", "g", "km", "mm", "cm", "l", "L", "ml", "x", "th"))
            return f"{size}{rng.choice(('', '', ' '))}{unit}"
        return f"{n(1000)}{rng.choice('–—-/')}{n(1000)}"

    def code(self) -> str:
        """A random string: serial numbers, hashes, mixed case, or any printable characters."""
        rng = self.rng
        alphabet = rng.choice(
            (
                string.ascii_uppercase + string.digits,
                string.ascii_uppercase,
                string.digits,
                string.hexdigits[:16],
                string.ascii_letters + string.digits,
                string.ascii_lowercase,
                string.printable[:94],
                string.ascii_letters + ACCENTED + SYMBOLS,
                LOOK_ALIKES,
            )
        )
        text = "".join(rng.choices(alphabet, k=rng.randint(1, 12)))
        if rng.random() < 0.3:
            step = rng.randint(2, 5)
            text = rng.choice("-/. :").join(text[i : i + step] for i in range(0, len(text), step))
        return text

    def address(self) -> str:
        """An e-mail address, a URL or a file name."""
        rng = self.rng
        parts = [rng.choice(dictionary("american-english")).lower().strip("'s") for _ in range(3)]
        name = rng.choice("._-").join(parts[:2]) + rng.choice(("", str(rng.randrange(100))))
        domain = parts[2] + rng.choice((".com", ".org", ".net", ".de", ".fr", ".co.uk", ".io"))
        return rng.choice(
            (
                f"{name}@{domain}",
                f"https://{domain}/{name}",
                f"www.{domain}",
                f"{name}{rng.choice(('.pdf', '.png', '.txt', '.py'))}",
                f"#{parts[0]}",
                f"@{name}",
            )
        )

    def join(self, tokens: list[str]) -> str:
        """Pieces of running text as a text."""
        return " ".join(tokens)

    def token(self) -> str:
        """One white-space-free (nearly always) piece of running text, with its punctuation."""
        return self.rng.choice(self.pool) if self.pool else self._new_token()

    def _new_token(self) -> str:
        rng = self.rng
        if rng.random() < self.odd:
            kind = rng.random()
            piece = self.number() if kind < 0.4 else self.code() if kind < 0.85 else self.address()
        else:
            piece = self.word()
            if rng.random() < 0.15:
                piece += rng.choice(PUNCTUATED_ENDS)
            elif rng.random() < 0.05:
                opening, closing = rng.choice(("()", "“”", "‘’", '""', "''", "[]", "«»", "{}"))
                piece = opening + piece + closing
            elif rng.random() < 0.04:
                piece += rng.choice("-–/&'+=*_") + self.word()
        if rng.random() < 0.02:
            piece = rng.choice("•–—-*&|=+<>~^©°") + " " + piece
        return piece.upper() if self.caps else piece

    def label(self) -> str:
        """The left part of a form's or a receipt's row."""
        draw = self.token if self.pool else self.word
        words = " ".join(draw() for _ in range(self.rng.randint(1, 3)))
        return words[:1].upper() + words[1:] + self.rng.choice(("", "", "", ":", ":", ":", "."))

    def value(self) -> str:
        """The right part of a form's or a receipt's row."""
        rng = self.rng
        kind = rng.random()
        if self.prices and kind < 0.9:
            price = f"{rng.randrange(rng.choice((10, 100, 1000)))}.{rng.randrange(100):02d}"
            return rng.choice("$€£¥") + price if kind < 0.15 else price
        if kind < 0.5:
            return self.number()
        if kind < 0.65:
            return self.code()
        if kind < 0.8:
            return self.address()
        return " ".join(self.word().capitalize() for _ in range(rng.randint(1, 3)))
