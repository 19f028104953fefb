"""Run by Python itself at start, in every process whose `PYTHONPATH` holds this directory.

The launcher puts it there on CPUs, and wherever torchvision and torch do not match. vLLM starts its
engine, its workers and a helper that inspects models as processes of their own, and each of them
imports torch, transformers and torchvision: inheriting an environment variable reaches them all,
which no hook of vLLM's does.
"""

import gc

from qwen_ocr_serve.vllm_patches.torchvision_compat import declare_on_import

# Imports make a million objects and hardly any garbage. By default, Python looks for garbage after
# each 700 new objects, which takes a second of processor time in each process.
gc.set_threshold(50_000, 50, 50)

declare_on_import()
