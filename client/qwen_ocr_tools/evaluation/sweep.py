"""The same pages under several settings: `max_pixels=256,512 prompt=text,"Read it, please."`."""

import csv
from collections.abc import Sequence
from itertools import product
from typing import Any

from qwen_ocr.errors import ConfigurationError
from qwen_ocr.prompts import Task

BUDGETS = ("max_pixels", "max_image_tokens")
"""Two names for the same: the budget of pixels that an image may cost, in visual tokens."""


def prompt_of(text: str) -> str:
    """A preset by its name, such as `markdown`, or else the prompt itself."""
    preset = Task.__members__.get(text.upper())
    return text if preset is None else preset.value


def combinations(specifications: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """A label, and arguments of `QwenOCR`, for every combination of the values given.

    A specification is `name=value,value`, quoted as in CSV where a value has a comma. Raises
    `ConfigurationError` for what cannot be varied.
    """
    axes = [_axis(specification) for specification in specifications]
    names = [axis[0][0].partition("=")[0] for axis in axes]
    if len(set(names)) < len(names):
        raise ConfigurationError("--sweep: the same name twice; give all its values at once")
    return [
        (" ".join(label for label, _ in choice), {k: v for _, part in choice for k, v in part})
        for choice in product(*axes)
    ]


def _axis(specification: str) -> list[tuple[str, list[tuple[str, Any]]]]:
    name, equals, rest = specification.partition("=")
    values = [value.strip() for value in next(csv.reader([rest]), []) if value.strip()]
    if not equals or not values:
        raise ConfigurationError(
            f"--sweep {specification}: write name=value,value, such as max_pixels=256,1024"
        )
    if name == "prompt":
        return [(f"prompt={value}", [("prompt", prompt_of(value))]) for value in values]
    if name not in BUDGETS:
        raise ConfigurationError(f"--sweep {name}: what can be varied is max_pixels and prompt")
    for value in values:
        if not value.isdecimal() or not int(value):
            raise ConfigurationError(f"--sweep {name}: {value!r} is not a whole number from 1")
    return [(f"{name}={value}", [("max_image_tokens", int(value))]) for value in values]
