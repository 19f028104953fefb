"""Lets a torchvision built for CUDA be imported beside a torch built for CPUs.

The plain package index has torchvision for CUDA only. Next to a CPU torch its compiled library
cannot be loaded, and `import torchvision` dies because two operators of that library are unknown.
The Qwen-VL processors need only torchvision's pure-Python parts, so it is enough to declare those
two operators, without any implementation, before torchvision is imported for the first time.

With a torchvision that matches torch, nothing happens here.
"""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

_OPERATORS = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"

# torch forgets the declarations as soon as the object that made them is collected.
_keep_alive: list[Any] = []


def builds_differ() -> bool:
    """Whether torch is a CPU build and torchvision is not, judged by version labels alone.

    Cheap, imports neither. `False` when one of the two is missing.
    """
    try:
        torch, torchvision = version("torch"), version("torchvision")
    except PackageNotFoundError:
        return False
    return torch.endswith("+cpu") and not torchvision.endswith("+cpu")


def declare_operators() -> None:
    """Declare torchvision's operators unless its own library provides them.

    Call it before `import torchvision` (or transformers' image processors). Calling it again is
    harmless. Imports torch.
    """
    spec = importlib.util.find_spec("torchvision")
    if _keep_alive or spec is None or spec.origin is None:
        return
    import torch

    for library in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return
    declarations = torch.library.Library("torchvision", "FRAGMENT")
    for operator in _OPERATORS:
        declarations.define(operator + _SCHEMA)
    _keep_alive.append(declarations)


class _DeclareOnImport(MetaPathFinder):
    """Finds nothing itself: notices the first search for torchvision and declares the operators."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            declare_operators()
        return None


def declare_on_import() -> None:
    """Call `declare_operators` when torchvision is first looked for, and not before.

    For processes that may never need torch, where importing it here would cost seconds.
    """
    sys.meta_path.insert(0, _DeclareOnImport())
