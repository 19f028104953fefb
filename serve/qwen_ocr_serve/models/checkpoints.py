"""The checkpoints that are known by name: what is published about each.

How they are asked and answer is in the client's table, `qwen_ocr.profiles`.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One row."""

    model: str
    """Its id on the Hugging Face Hub."""
    profile: str
    """Its name in `qwen_ocr.profiles`."""
    shape: str
    """A published model of the same shape, of `architectures.json`; empty for an architecture that
    is not there."""
    licence: str
    score: float | None = None
    """Of olmOCR-bench, 0 to 100, as published."""
    source: str = ""
    """Who published that, and where the prompts are from."""


_QWEN = "Apache-2.0"
_RESEARCH = "Qwen Research"
_DATALAB = "datalab-to/chandra"
_OLMOCR = "allenai/olmocr, README"
_LIGHTON = "lightonai/LightOnOCR, README"
_INFLY = "infly-ai/INF-MLLM, Infinity-Parser2/README"
_DOTS = "rednote-hilab/dots.ocr, README"

CHECKPOINTS = (
    Checkpoint("Qwen/Qwen2-VL-2B-Instruct", "qwen2-vl", "Qwen2-VL-2B", _QWEN),
    Checkpoint("Qwen/Qwen2-VL-7B-Instruct", "qwen2-vl", "Qwen2-VL-7B", _QWEN),
    Checkpoint("Qwen/Qwen2-VL-72B-Instruct", "qwen2-vl", "Qwen2-VL-72B", "Qwen"),
    Checkpoint("Qwen/Qwen2.5-VL-3B-Instruct", "qwen2.5-vl", "Qwen2.5-VL-3B", _RESEARCH),
    Checkpoint("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl", "Qwen2.5-VL-7B", _QWEN),
    Checkpoint("Qwen/Qwen2.5-VL-32B-Instruct", "qwen2.5-vl", "Qwen2.5-VL-32B", _QWEN),
    Checkpoint("Qwen/Qwen2.5-VL-72B-Instruct", "qwen2.5-vl", "Qwen2.5-VL-72B", "Qwen"),
    Checkpoint("Qwen/Qwen3-VL-2B-Instruct", "qwen3-vl", "Qwen3-VL-2B", _QWEN),
    Checkpoint("Qwen/Qwen3-VL-4B-Instruct", "qwen3-vl", "Qwen3-VL-4B", _QWEN),
    Checkpoint("Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl", "Qwen3-VL-8B", _QWEN, 64.6, _DATALAB),
    Checkpoint("Qwen/Qwen3-VL-8B-Thinking", "qwen3-vl-thinking", "Qwen3-VL-8B", _QWEN),
    Checkpoint("Qwen/Qwen3-VL-32B-Instruct", "qwen3-vl", "Qwen3-VL-32B", _QWEN),
    Checkpoint("Qwen/Qwen3-VL-30B-A3B-Instruct", "qwen3-vl", "Qwen3-VL-30B-A3B", _QWEN),
    Checkpoint("Qwen/Qwen3-VL-235B-A22B-Instruct", "qwen3-vl", "Qwen3-VL-235B-A22B", _QWEN),
    Checkpoint("Qwen/Qwen3.5-0.8B", "qwen3.5", "Qwen3.5-0.8B", _QWEN),
    Checkpoint("Qwen/Qwen3.5-2B", "qwen3.5", "Qwen3.5-2B", _QWEN),
    Checkpoint("Qwen/Qwen3.5-4B", "qwen3.5", "Qwen3.5-4B", _QWEN),
    Checkpoint("Qwen/Qwen3.5-9B", "qwen3.5", "Qwen3.5-9B", _QWEN),
    Checkpoint("Qwen/Qwen3.5-27B", "qwen3.5", "Qwen3.5-27B", _QWEN),
    Checkpoint("Qwen/Qwen3.5-35B-A3B", "qwen3.5", "Qwen3.5-35B-A3B", _QWEN),
    Checkpoint("Qwen/Qwen3.5-122B-A10B", "qwen3.5", "Qwen3.5-122B-A10B", _QWEN),
    Checkpoint("Qwen/Qwen3.5-397B-A17B", "qwen3.5", "Qwen3.5-397B-A17B", _QWEN),
    Checkpoint("Qwen/Qwen3.6-27B", "qwen3.5", "Qwen3.6-27B", _QWEN),
    Checkpoint("Qwen/Qwen3.6-35B-A3B", "qwen3.5", "Qwen3.6-35B-A3B", _QWEN),
    Checkpoint("Qwen/Qwen3.8-27B", "qwen3.5", "Qwen3.8-27B", _QWEN),
    Checkpoint("datalab-to/chandra-ocr-2", "chandra-2", "Qwen3.5-4B", "OpenRAIL-M", 85.8, _DATALAB),
    Checkpoint("allenai/olmOCR-2-7B-1025", "olmocr-2", "Qwen2.5-VL-7B", _QWEN, 82.4, _OLMOCR),
    Checkpoint(
        "allenai/olmOCR-2-7B-1025-FP8", "olmocr-2", "Qwen2.5-VL-7B-FP8", _QWEN, 82.4, _OLMOCR
    ),
    Checkpoint(
        "nanonets/Nanonets-OCR2-3B", "nanonets-ocr2", "Qwen2.5-VL-3B", "see its card", 69.5, _OLMOCR
    ),
    Checkpoint(
        "lightonai/LightOnOCR-3-0.8B", "lightonocr-3", "Qwen3.5-0.8B", _QWEN, None, _LIGHTON
    ),
    Checkpoint("lightonai/LightOnOCR-3-4B", "lightonocr-3", "Qwen3.5-4B", _QWEN, None, _LIGHTON),
    Checkpoint("lightonai/LightOnOCR-3-1B", "lightonocr-3-1b", "", _QWEN, None, _LIGHTON),
    Checkpoint("lightonai/LightOnOCR-2-1B", "lightonocr-2", "", _QWEN, None, _LIGHTON),
    Checkpoint(
        "infly/Infinity-Parser2-Pro",
        "infinity-parser2",
        "Qwen3.5-35B-A3B",
        "see its card",
        87.6,
        _INFLY,
    ),
    Checkpoint("rednote-hilab/dots.ocr", "dots.ocr", "", "its own", None, _DOTS),
    Checkpoint("rednote-hilab/dots.mocr", "dots.ocr", "", "its own", 83.9, _DOTS),
)

STARTED = frozenset({"qwen2-vl", "qwen2.5-vl", "qwen3-vl", "qwen3.5", "dots.ocr", "lightonocr"})
"""Families of which a model with random weights was started, see `tests/server/test_families.py`.
None was seen running with its own weights, but for the bundled model."""


def checkpoint_of(model: str) -> Checkpoint | None:
    """The row of a Hub id, or of a path that ends in its name."""
    name = re.split(r"[/\\]", model.lower().rstrip("/\\"))[-1]
    return next((c for c in CHECKPOINTS if c.model.lower().partition("/")[2] == name), None)
