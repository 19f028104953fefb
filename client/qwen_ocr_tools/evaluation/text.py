"""What counts as the same text: the normal forms under which truth and reading are compared."""

import unicodedata


def fold(text: str) -> str:
    """Composed characters (Unicode NFC), every run of white space as one space, none at the ends.

    NFC, because é may be one code point or two and looks the same; white space folded, because how
    wide a gap is and where a line is broken is layout. Everything else counts.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


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
