"""A page turned the right way up and made level."""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from qwen_ocr_serve.documents.ink import Grey, Mask, find_ink, find_skew
from qwen_ocr_serve.documents.lines import find_lines
from qwen_ocr_serve.documents.orientation import find_turn

_LEAST_SKEW = 0.25
"""Degrees: a model reads lines that are less askew as well as level ones."""
_FEWER = 0.5
"""Part of the letters side by side that a page turned by a quarter has, at least: of a single line,
the network may see letters one below the other."""


@dataclass(frozen=True, slots=True)
class UprightPage:
    """A page the right way up."""

    grey: Grey
    ink: Mask
    turned: int
    """Degrees, counter-clockwise, by which it was turned: 0, 90, 180 or 270."""
    skew: float
    """Degrees by which it was then turned to make its lines level."""
    original: Image.Image

    def coloured(self) -> Image.Image:
        """The same page with its colours."""
        page = self.original.convert("RGB").rotate(self.turned, expand=True)
        if self.skew:
            page = page.rotate(self.skew, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))
        return page


def _letters(ink: Mask) -> int:
    """How many letters stand side by side."""
    counts = (len(line.letters) for line in find_lines(ink).lines)
    return sum(count for count in counts if count > 1)


def make_upright(image: Image.Image) -> UprightPage:
    """The page, upright and level."""
    grey = np.asarray(image.convert("L"))
    turned = find_turn(grey)
    upright = np.ascontiguousarray(np.rot90(grey, turned // 90))
    ink = find_ink(upright)
    if turned % 180 and _letters(ink) < _FEWER * _letters(np.rot90(ink, -turned // 90)):
        turned, ink = 0, find_ink(grey)
    else:
        grey = upright
    skew = find_skew(ink)
    if abs(skew) < _LEAST_SKEW:
        return UprightPage(grey, ink, turned, 0.0, image)
    border = np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1]))
    height, width = grey.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), skew, 1)
    paper = int(np.median(border))
    rotated = cv2.warpAffine(grey, turn, (width, height), flags=cv2.INTER_CUBIC, borderValue=paper)
    level = np.asarray(rotated, dtype=np.uint8)
    return UprightPage(level, find_ink(level), turned, skew, image)
