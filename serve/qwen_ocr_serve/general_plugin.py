"""What vLLM calls once in each of its processes, when nearly everything is imported."""

import gc

from vllm.platforms import current_platform


def prepare() -> None:
    """The entry point in `vllm.general_plugins`.

    Takes all objects that exist out of garbage collection. Loading a model then collects garbage
    several times, a third of a second each through all these objects. vLLM itself does the same, at
    the end of its start.
    """
    if current_platform.is_cpu():
        import qwen_ocr_serve.cpu_kernels  # noqa: F401  # it registers itself
    gc.freeze()
