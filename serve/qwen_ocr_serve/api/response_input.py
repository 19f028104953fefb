"""The shape of the items in a Responses request's `input`, looked at before vLLM does.

vLLM's class for an item is any of some thirty forms, and pydantic tells for each why it does not
fit: 100 items with lists in the wrong place took 10 s of the event loop, and 204,000 errors. Here
the form is known from `type`, and the first fault ends it.
"""

from collections.abc import Mapping
from typing import Any

from qwen_ocr_serve.http.errors import APIError

_ROLES = frozenset({"user", "assistant", "system", "developer"})
_PARTS = frozenset(
    {"input_text", "output_text", "input_image", "refusal", "reasoning_text", "summary_text"}
)
_TEXTS: Mapping[str, tuple[str, ...]] = {
    "message": ("role",),
    "function_call": ("name", "arguments", "call_id"),
    "function_call_output": ("call_id", "output"),
    "reasoning": (),
}
"""Kinds of items, and their fields that have to be texts."""
_LISTS = frozenset({"content", "summary"})
"""Fields that hold parts."""


def check_input(items: object) -> None:
    """Raise `APIError` for the first item that is not in one of the forms; a text is left alone."""
    if not isinstance(items, list):
        return
    for number, item in enumerate(items):
        where = f"input[{number}]"
        if not isinstance(item, Mapping):
            raise _wrong(where, "is not an object")
        kind = item.get("type") or "message"
        texts = _TEXTS.get(kind) if isinstance(kind, str) else None
        if texts is None:
            raise _wrong(f"{where}.type", f"is none of {', '.join(_TEXTS)}")
        for name in texts:
            if not isinstance(item.get(name), str):
                raise _wrong(f"{where}.{name}", "is not a text")
        if kind == "message" and item["role"] not in _ROLES:
            raise _wrong(f"{where}.role", f"is none of {', '.join(sorted(_ROLES))}")
        for name, value in item.items():
            if name in _LISTS and isinstance(value, list):
                for place, part in enumerate(value):
                    _check_part(f"{where}.{name}[{place}]", part)
            else:
                _check_simple(where, name, value)


def _check_part(where: str, part: object) -> None:
    if not isinstance(part, Mapping):
        raise _wrong(where, "is not an object")
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in _PARTS:
        raise _wrong(f"{where}.type", f"is none of {', '.join(sorted(_PARTS))}")
    content = {"input_image": "image_url", "refusal": "refusal"}.get(kind, "text")
    if not isinstance(part.get(content), str):
        raise _wrong(f"{where}.{content}", "is not a text")
    for name, value in part.items():
        _check_simple(where, name, value)


def _check_simple(where: str, name: str, value: Any) -> None:
    if isinstance(value, list | dict) and value:  # SDKs send some empty ones, such as annotations
        raise _wrong(f"{where}.{name[:50]}", "holds what is not taken there")


def _wrong(where: str, fault: str) -> APIError:
    return APIError(400, "invalid_request", f"{where} {fault}", param="input")
