"""What vLLM calls once in each of its processes, when nearly everything is imported."""

import gc
import logging
import multiprocessing
import os

import vllm
from vllm.platforms import current_platform

from qwen_ocr_serve.vllm_patches import ENGINE_THREADS, VLLM_VERSIONS, WITHOUT, written_for
from qwen_ocr_serve.vllm_patches.parent_process import end_with_parent

# Below vLLM's own logger, which has the handler and the format.
logger = logging.getLogger("vllm.qwen_ocr.patches")


def prepare() -> None:
    """The entry point in `vllm.general_plugins`: apply the patches.

    Afterwards, garbage collection no longer looks at the objects that exist now. Loading a model
    collects garbage several times, and each time would take a third of a second for all these
    objects. vLLM itself does the same, at the end of its start.
    """
    if multiprocessing.parent_process() is not None:
        end_with_parent()
    if written_for(vllm.__version__):
        if current_platform.is_cpu():
            _patch_cpu()
    else:
        logger.warning(
            "vLLM %s stays as it is: the patches were written for %s",
            vllm.__version__,
            ", ".join(sorted(VLLM_VERSIONS)),
        )
    gc.freeze()


def _patch_cpu() -> None:
    left_out = os.environ.get(WITHOUT, "").split(",")
    if "cpu_kernels" not in left_out:
        import qwen_ocr_serve.vllm_patches.cpu_kernels  # noqa: F401  # importing it is all it needs
    from qwen_ocr_serve.vllm_patches import cpu_seeds

    cpu_seeds.apply()
    told = os.environ.get(ENGINE_THREADS)
    if told is None:
        return
    threads = int(told)
    from qwen_ocr_serve.vllm_patches import forked_engine

    forked_engine.apply(threads)
    if threads > 1 and "cpu_threads" not in left_out:
        from qwen_ocr_serve.vllm_patches import cpu_threads

        cpu_threads.apply(threads)
