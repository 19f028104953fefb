"""Where the ink of a page is, and by how much the page lies askew."""

import math
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
_WINDOW, _MAX_WINDOW = 2.0, 61
"""Heights of letters, and pixels: the window in which the paper's colour is looked for."""
_LEAST_LETTER, _LARGE_LETTER = 4, 30
"""Pixels: what is lower is no letter, and of what is higher the window would not reach around."""
_SKEW_SIDE = 1000
_MOST_INK = 50_000
"""Pixels of ink that the skew is measured by: more do not make it more exact."""
_MAX_SKEW = 4.0
"""Degrees. A sheet that lies further askew has been put down so on purpose."""
_SKEW_GAIN = 1.15
"""How much clearer the lines must be after turning for it to be worth it."""


def find_ink(image: Grey) -> Mask:
    """The ink of an image: what differs from the paper around it, be that lighter or darker."""
    height, width = image.shape
    shrink = max(1, round(min(height, width) / _SMALL_SIDE))
    small = _shrunk(image, shrink)
    letter = _letter_height(small)
    if letter > _LARGE_LETTER:
        times = math.ceil(letter / _LARGE_LETTER)
        small, letter = _shrunk(image, shrink * times), letter / times
    # A median over so wide a window is the paper: type covers less than half of it.
    window = min(max(3, min(small.shape) // 12, round(_WINDOW * letter)) | 1, _MAX_WINDOW)
    paper = cv2.resize(cv2.medianBlur(small, window), (width, height))
    difference = cv2.absdiff(image, paper)
    otsu, _ = cv2.threshold(difference, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    mask: Any = difference > min(max(0.8 * otsu, _MIN_CONTRAST), _MAX_CONTRAST)
    return np.asarray(mask, dtype=np.bool_)


def _shrunk(image: Grey, times: int) -> Grey:
    height, width = image.shape
    size = (max(1, width // times), max(1, height // times))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _letter_height(image: Grey) -> float:
    """About the height of letters in pixels, where all paper has one colour; 0 without any."""
    _, mask = cv2.threshold(image, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    ink = mask if np.count_nonzero(mask) < mask.size / 2 else 255 - mask
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    heights = stats[1:, cv2.CC_STAT_HEIGHT]
    heights = heights[heights >= _LEAST_LETTER]
    return float(np.median(heights)) if len(heights) else 0.0


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
    y, x = np.nonzero(small > 64)
    some = slice(None, None, 1 + len(y) // _MOST_INK)
    down, across = y[some].astype(np.float32), x[some].astype(np.float32)

    def sharpness(angle: float) -> float:
        sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
        rows = np.rint(cosine * down - sine * across + size[0]).astype(np.intp)
        return float(np.square(np.diff(np.bincount(rows).astype(np.float64))).sum())

    coarse = max(_angles(-_MAX_SKEW, _MAX_SKEW, 0.5), key=sharpness)
    best = max(_angles(coarse - 0.5, coarse + 0.5, 0.1), key=sharpness)
    return best if sharpness(best) > _SKEW_GAIN * sharpness(0.0) else 0.0


def _angles(first: float, last: float, step: float) -> list[float]:
    return [first + step * number for number in range(round((last - first) / step) + 1)]
