"""What the two XML formats share."""

import re
from importlib.metadata import version
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold (XML 1.0, 2.2)."""
SOFTWARE = "qwen-ocr"


def software_version() -> str:
    """Of this installation."""
    return version(SOFTWARE)


def clean(text: str) -> str:
    """The text with the replacement character for what XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)


def number(value: float) -> str:
    """A number with at most four digits after the point, and no more than it needs."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def written(root: Element, doctype: str = "") -> bytes:
    """A whole file in UTF-8."""
    ElementTree.indent(root, " ")
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n{doctype}'
    return f"{head}{ElementTree.tostring(root, encoding='unicode')}\n".encode()
