"""Run by Python itself at start, in every process whose `PYTHONPATH` holds this directory.

The launcher puts it there only when torchvision and torch do not match. vLLM starts its engine,
its workers and a helper that inspects models as processes of their own, and each of them imports
torchvision: inheriting an environment variable reaches them all, which no hook of vLLM's does.
"""

from qwen_ocr_serve.torchvision_compat import declare_on_import

declare_on_import()
