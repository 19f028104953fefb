"""JSON as models write it: in a code fence, in Python's notation, or cut off.

Text that is JSON is read as such. In any other, what is nearly JSON is read: single quotes, quotes
within a string, trailing commas, zeros before a number, brackets of an object written twice, `True`
and `None`. Of what is cut off, all that is complete is kept.
"""

import json
import re
from typing import Any

_FENCE = re.compile(r"```[a-zA-Z]*\n?(.*?)(?:```|\Z)", re.DOTALL)
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")
_WORD = re.compile(r"[A-Za-z]+")
_WORDS = {"true": True, "false": False, "null": None, "none": None}
# A quote ends a string only where something of JSON follows.
_STRINGS = {
    quote: re.compile(rf"{quote}((?:\\.|[^\\])*?){quote}(?=\s*(?:[,:\]}}]|\Z))", re.DOTALL)
    for quote in "\"'"
}
_ESCAPES = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_DEEPEST = 50
_CUT = object()
"""Stands for a value that is not complete."""


def read_json(text: str) -> Any:
    """The value in `text`, which may have words before and after it.

    Raises `ValueError` if there is no list or object in it, or none that can be understood.
    """
    fence = _FENCE.search(text)
    text = fence.group(1) if fence else text
    start = min((at for at in (text.find("["), text.find("{")) if at >= 0), default=-1)
    if start < 0:
        raise ValueError("no JSON in the text")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _Reader(text, start).container(0)


class _Reader:
    """Reads one value, from left to right."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self._at = at
        self._cut = False

    def container(self, depth: int) -> Any:
        """A list or object; what of it is complete when the text ends in the middle."""
        if depth > _DEEPEST:
            raise ValueError("JSON nested too deeply")
        opening = self._text[self._at]
        self._at += 1
        found: list[Any] = []
        fields: dict[str, Any] = {}
        while True:
            sign = self._skip()
            if not sign:
                self._cut = True
            if sign == "," or (sign == "}" and opening == "["):  # an object is closed twice
                self._at += 1
                continue
            if not sign or sign in "]}":
                self._at += 1
                return found if opening == "[" else fields
            if sign == "{" and opening == "{" and not fields:  # opened twice
                return self.container(depth + 1)
            value = self._value(sign, depth)
            if opening == "[":
                # An object that is cut off misses something; a list in a list does, too.
                if value is not _CUT and not self._cut:
                    found.append(value)
            elif self._skip() == ":":
                self._at += 1
                sign = self._skip()
                content = self._value(sign, depth) if sign else _CUT
                if content is not _CUT and (not self._cut or isinstance(content, list)):
                    fields[str(value)] = content

    def _skip(self) -> str:
        """The next sign that is no white space, which is not passed; empty at the end."""
        match = _SPACE.match(self._text, self._at)
        assert match is not None, "matches nothing, too"
        self._at = match.end()
        return self._text[self._at : self._at + 1]

    def _value(self, sign: str, depth: int) -> Any:
        if sign in "[{":
            return self.container(depth + 1)
        if sign in _STRINGS:
            return self._string(sign)
        for pattern in (_NUMBER, _WORD):
            match = pattern.match(self._text, self._at)
            if match is None:
                continue
            self._at = match.end()
            if self._at == len(self._text):  # more digits may have been to come
                self._cut = True
                return _CUT
            if pattern is _WORD:
                return _WORDS.get(match.group().lower(), match.group())
            whole = match.group(1) is None and match.group(2) is None
            return int(match.group()) if whole else float(match.group())
        raise ValueError(f"not JSON at {self._at}: {self._text[self._at : self._at + 20]!r}")

    def _string(self, quote: str) -> Any:
        match = _STRINGS[quote].match(self._text, self._at)
        if match is None:
            self._at, self._cut = len(self._text), True
            return _CUT
        self._at = match.end()
        return _ESCAPES.sub(_unescaped, match.group(1))


def _unescaped(match: re.Match[str]) -> str:
    code, sign = match.groups()
    if code:
        return chr(int(code, 16))
    return _ESCAPED.get(sign, sign)
