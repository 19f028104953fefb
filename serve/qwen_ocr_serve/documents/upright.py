"""A page turned the right way up and made level."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from qwen_ocr_serve.documents.ink import Grey, Mask, find_ink, find_skew
from qwen_ocr_serve.documents.orientation import find_turn

_LEAST_SKEW = 0.25
"""Degrees: a model reads lines that are less askew as well as level ones."""


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


def make_upright(image: Image.Image) -> UprightPage:
    """The page, upright and level."""
    grey = np.asarray(image.convert("L"))
    turned = find_turn(grey)
    grey = np.ascontiguousarray(np.rot90(grey, turned // 90))
    ink = find_ink(grey)
    skew = find_skew(ink)
    if abs(skew) < _LEAST_SKEW:
        return UprightPage(grey, ink, turned, 0.0, image)
    border = np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1]))
    rotated = Image.fromarray(grey).rotate(
        skew, Image.Resampling.BICUBIC, fillcolor=int(np.median(border))
    )
    level = np.asarray(rotated)
    return UprightPage(level, find_ink(level), turned, skew, image)
