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

    fonts: FontPicker
    source: Callable[[random.Random], TextSource]
    middle: float
    """How far above the baseline a line has its middle."""
    tightest: float
    """From one baseline to the next, at least."""
    detail: float
    """Size of Latin type whose strokes are as near to each other."""


def latin(families: tuple[str, ...] = TRAINING_FAMILIES) -> Script:
    """Five languages in Latin letters."""
    return Script(FontPicker(families), TextSource, middle=0.27, tightest=1.05, detail=1.0)


def han(families: tuple[str, ...] = chinese.TRAINING_FAMILIES) -> Script:
    """Simplified Chinese, with Latin letters and digits in it."""
    fonts = chinese.font_picker(families)
    return Script(fonts, chinese.ChineseSource, middle=0.38, tightest=1.15, detail=0.65)


def for_training() -> tuple[Script, Script]:
    """The families that are trained on."""
    return latin(), han()


def for_validation() -> tuple[Script, Script]:
    """Families that training leaves out, and that no evaluation uses."""
    return latin(VALIDATION_FAMILIES), han(chinese.VALIDATION_FAMILIES)
