"""What counts as the same text: the normal forms under which truth and reading are compared."""

import re
import unicodedata

from qwen_ocr.spacing import CHARACTER, CLOSING, OPENING, is_unspaced, space_between

_HALF_WIDTH = {0x3000: " "} | {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
"""The full-width forms of ASCII, one character for one."""
_HALF_WIDTH_KANA = re.compile("[\uff61-\uff9f]+")
_WORDS = re.compile(rf"[({OPENING}]*{CHARACTER}[,.!?:;){CLOSING}]*|(?:(?!{CHARACTER})\S)+")
_SPACE = re.compile(r"(?<=(\S)) (?=(\S))")


def fold(text: str) -> str:
    """The text less what is layout: white space and the width of characters.

    Composed characters (Unicode NFC), because é may be one code point or two and looks the same.
    Every run of white space is one space, because how wide a gap is and where a line is broken is
    layout; none at the ends, and none beside Chinese and Japanese characters, which have none
    between words: there, a line may be broken anywhere, and a space beside Latin letters is a
    matter of taste. Full-width forms of ASCII (`１２３`, `Ａ`, `，`) are as ASCII has them, and
    half-width katakana as full-width ones. Everything else counts.
    """
    text = _HALF_WIDTH_KANA.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return _SPACE.sub(lambda match: _space(match[1], match[2]), text).translate(_HALF_WIDTH)


def _space(left: str, right: str) -> str:
    unspaced = is_unspaced(left) or is_unspaced(right)
    return "" if unspaced else space_between(left, right)


def narrow(text: str) -> str:
    """Full-width forms of ASCII as ASCII has them; as many characters as there were."""
    return text.translate(_HALF_WIDTH)


def words_of(text: str) -> list[str]:
    """The words of a folded text, as `qwen_ocr.spacing` has them, with ASCII's punctuation, too."""
    return _WORDS.findall(text)


def without_case(text: str) -> str:
    """`fold`, with upper and lower case alike (Unicode case folding)."""
    return fold(fold(text).casefold())


def without_punctuation(text: str) -> str:
    """`fold`, without characters of Unicode's punctuation categories (P*)."""
    kept = (c for c in fold(text) if not unicodedata.category(c).startswith("P"))
    return fold("".join(kept))


def without_space(text: str) -> str:
    """`fold`, without white space."""
    return fold(text).replace(" ", "")
