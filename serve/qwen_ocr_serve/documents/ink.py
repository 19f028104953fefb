"""Where the ink of a page is, and by how much the page lies askew."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
"""An image: (height, width) of 0 to 255."""
Mask = NDArray[np.bool_]
"""(height, width), true where there is ink."""

_SMALL_SIDE = 600
"""Pixels to which the shorter side is shrunk where the paper's own colour is looked for."""
_MIN_CONTRAST, _MAX_CONTRAST = 24, 110
"""Difference from the paper, of 255, from which on something is ink: within these, Otsu's
threshold decides."""
_SKEW_SIDE = 1000
_MAX_SKEW = 4.0
"""Degrees. A sheet that lies further askew has been put down so on purpose."""
_SKEW_GAIN = 1.15
"""How much clearer the lines must be after turning for it to be worth it."""


def find_ink(image: Grey) -> Mask:
    """The ink of an image: what differs from the paper around it, be that lighter or darker."""
    height, width = image.shape
    shrink = max(1, round(min(height, width) / _SMALL_SIDE))
    small_size = (max(1, width // shrink), max(1, height // shrink))
    small = cv2.resize(image, small_size, interpolation=cv2.INTER_AREA)
    # A median over so wide a window is the paper: type covers less than half of it.
    window = min(max(3, min(small.shape) // 12 | 1), 61)
    paper = cv2.resize(cv2.medianBlur(small, window), (width, height))
    difference = cv2.absdiff(image, paper)
    otsu, _ = cv2.threshold(difference, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    mask: Any = difference > min(max(0.8 * otsu, _MIN_CONTRAST), _MAX_CONTRAST)
    return np.asarray(mask, dtype=np.bool_)


def find_skew(ink: Mask) -> float:
    """Degrees, counter-clockwise, by which to turn the page so that its lines are level; 0 if they
    are.

    Of a level page, the rows of pixels through lines hold much ink and those between them none: the
    angle is the one at which neighbouring rows differ most.
    """
    height, width = ink.shape
    shrink = max(1, max(height, width) // _SKEW_SIDE)
    size = (max(1, width // shrink), max(1, height // shrink))
    small = cv2.resize(ink.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    small = np.where(small > 64, 255, 0).astype(np.uint8)
    centre = (size[0] / 2, size[1] / 2)

    def sharpness(angle: float) -> float:
        turn = cv2.getRotationMatrix2D(centre, angle, 1)
        turned = cv2.warpAffine(small, turn, size, flags=cv2.INTER_NEAREST)
        rows = turned.sum(axis=1, dtype=np.float64)
        return float(np.square(np.diff(rows)).sum())

    coarse = max(_angles(-_MAX_SKEW, _MAX_SKEW, 0.5), key=sharpness)
    best = max(_angles(coarse - 0.5, coarse + 0.5, 0.1), key=sharpness)
    return best if sharpness(best) > _SKEW_GAIN * sharpness(0.0) else 0.0


def _angles(first: float, last: float, step: float) -> list[float]:
    return [first + step * number for number in range(round((last - first) / step) + 1)]
