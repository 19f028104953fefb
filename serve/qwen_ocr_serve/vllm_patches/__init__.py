"""All that replaces something inside vLLM; each module is one patch.

`general_plugin` applies them in each of vLLM's processes; `startup_signals` applies itself. They
were written for `VLLM_VERSIONS`: with any other, vLLM stays as it is, and the log says so.

Nothing of vLLM is imported here, because the launcher needs these names.
"""

from pathlib import Path

VLLM_VERSIONS = frozenset({"0.32.0"})
"""Versions of vLLM that all patches were written for and tested with."""
START_METHOD = "VLLM_WORKER_MULTIPROC_METHOD"
"""vLLM's variable: how it starts its engine's process."""
ENGINE_THREADS = "_QWEN_OCR_ENGINE_THREADS"
"""Our launcher's variable: in how many threads the engine computes. The engine's process is a fork
of the server's, and threads do not survive a fork, so the server itself computes in one."""
WITHOUT = "_QWEN_OCR_WITHOUT_PATCHES"
"""A variable for measurements: names of modules here that are not to be applied, with commas."""
STARTUP_FOLDER = Path(__file__).with_name("startup")
"""Holds a `sitecustomize.py`, for PYTHONPATH."""


def written_for(version: str) -> bool:
    """Whether the patches fit this version of vLLM, whatever it was built for."""
    return version.partition("+")[0] in VLLM_VERSIONS
