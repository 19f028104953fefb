"""The scripts that are trained on: which fonts draw one, and what is written in it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from training import chinese
from training.fonts import TRAINING_FAMILIES, VALIDATION_FAMILIES, FontPicker
from training.text import TextSource


@dataclass(frozen=True)
class Script:
    """What a page of one script is made of; lengths are in sizes of type."""

    families: tuple[str, ...]
    fonts: FontPicker
    source: Callable[[random.Random], TextSource]
    middle: float
    """How far above the baseline a line has its middle."""
    tightest: float
    """From one baseline to the next, at least."""
    width: float
    """Of an average character."""
    detail: float
    """Size of Latin type whose strokes are as near to each other."""


def latin(families: tuple[str, ...] = TRAINING_FAMILIES) -> Script:
    """Five languages in Latin letters."""
    return Script(
        families=families,
        fonts=FontPicker(families),
        source=TextSource,
        middle=0.27,
        tightest=1.05,
        width=0.5,
        detail=1.0,
    )


def han(families: tuple[str, ...] = chinese.TRAINING_FAMILIES) -> Script:
    """Simplified Chinese, with Latin letters and digits in it."""
    return Script(
        families=families,
        fonts=chinese.font_picker(families),
        source=chinese.ChineseSource,
        middle=0.38,
        tightest=1.15,
        width=0.9,
        detail=0.65,
    )


def for_training() -> dict[str, Script]:
    """The families that are trained on."""
    return {"latin": latin(), "chinese": han()}


def for_validation() -> dict[str, Script]:
    """Families that training leaves out, and that no evaluation uses."""
    return {"latin": latin(VALIDATION_FAMILIES), "chinese": han(chinese.VALIDATION_FAMILIES)}
