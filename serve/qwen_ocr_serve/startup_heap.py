"""Spares vLLM's start the search for garbage among what its imports made."""

import gc


def freeze() -> None:
    """Take all objects that exist out of garbage collection.

    The entry point in `vllm.general_plugins`, which vLLM calls once in each of its processes when
    nearly everything is imported. Loading a model then collects garbage several times, a third of a
    second each through all these objects. vLLM itself does the same, at the end of its start.
    """
    gc.freeze()
