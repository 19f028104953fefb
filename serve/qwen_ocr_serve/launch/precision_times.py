"""Prints how long this processor takes for the bundled model's linear layers, as JSON.

`python -m qwen_ocr_serve.launch.precision_times THREADS`: see `precision`, which starts it.
"""

import functools
import json
import math
import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from qwen_ocr_serve.launch.precision import DType, Measurement, Times, as_json
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH

_DTYPES: tuple[DType, ...] = ("float32", "bfloat16")
_ROWS = 64
_ROUNDS = 12
"""Each round measures every kind, so that other load on the machine slows all of them alike."""
_SLOT = 2e-3
"""Seconds for which a kind is repeated in a round; one that takes longer runs once."""


def measure(threads: int) -> Measurement:
    """The least times, in float32 and bfloat16 and with 1 up to so many threads (1 or 2).

    Each number of threads has a process of its own, because vLLM's kernels keep the one that they
    were first used with.
    """
    found: dict[tuple[DType, int], Times] = {}
    for count in range(1, threads + 1):
        # A fork, because importing takes longer than measuring. This process has no threads yet.
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as copy:
            found |= copy.submit(_measure, count).result()
    return found


@torch.inference_mode()
def _measure(count: int) -> dict[tuple[DType, int], Times]:
    torch.set_num_threads(count)
    works = {
        (dtype, rows): _linear_layers(getattr(torch, dtype), rows)
        for dtype in _DTYPES
        for rows in (1, _ROWS)
    }
    least = dict.fromkeys(works, math.inf)
    for _ in range(_ROUNDS):
        for kind, work in works.items():
            least[kind] = min(least[kind], _least_seconds(work))
    return {(dtype, count): Times(least[dtype, 1], least[dtype, _ROWS]) for dtype in _DTYPES}


def _least_seconds(work: Callable[[], None]) -> float:
    least, end = math.inf, time.perf_counter() + _SLOT
    while True:
        started = time.perf_counter()
        work()
        now = time.perf_counter()
        least = min(least, now - started)
        if now > end:
            return least


def _linear_layers(dtype: torch.dtype, rows: int) -> Callable[[], None]:
    """One layer's matrices, each multiplied with so many rows."""
    pairs = []
    for outputs, inputs in _shapes():
        weight = torch.randn(outputs, inputs, dtype=dtype)
        pairs.append((_as_the_engine(weight), torch.randn(rows, inputs, dtype=dtype)))

    def work() -> None:
        for multiply, x in pairs:
            multiply(x)

    return work


def _shapes() -> list[tuple[int, int]]:
    """Outputs and inputs: query, key and value; attention's output; gate and up; down."""
    config = json.loads((BUNDLED_MODEL_PATH / "config.json").read_text())["text_config"]
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    return [(heads + 2 * keys, hidden), (hidden, heads), (2 * inner, hidden), (hidden, inner)]


def _as_the_engine(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """Multiplication by (outputs, inputs), as vLLM's `dispatch_cpu_unquantized_gemm` chooses it."""
    try:
        # vLLM's kernels, or PyTorch's if there are none for this precision on this processor.
        handler = torch.tensor(_kernels().create_onednn_mm_handler(weight.t(), 32))
    except (AttributeError, RuntimeError):
        return functools.partial(linear, weight=weight)

    def multiply(x: Tensor) -> Tensor:
        output = torch.empty(len(x), len(weight), dtype=x.dtype)
        _kernels().onednn_mm(output, x, None, handler)
        return output

    return multiply


def _kernels() -> Any:
    return torch.ops._C  # noqa: SLF001  # the name of vLLM's kernels


def _load_the_engines_kernels() -> None:
    """What `CpuPlatform.import_kernels` loads, without the seconds that importing vLLM takes."""
    has = torch.cpu.get_capabilities()
    name = "_C"
    if has.get("architecture") == "x86_64" and not has.get("avx512_bf16"):
        wide = all(has.get(f"avx512_{part}") for part in ("f", "bw", "vl", "dq"))
        name = "_C_AVX512" if wide else "_C_AVX2"  # any other would end this process
    spec = find_spec("vllm")
    for folder in (spec and spec.submodule_search_locations) or ():
        for file in Path(folder).glob(f"{name}.*so"):
            torch.ops.load_library(str(file))


if __name__ == "__main__":
    _load_the_engines_kernels()
    print(json.dumps(as_json(measure(int(sys.argv[1])))))
