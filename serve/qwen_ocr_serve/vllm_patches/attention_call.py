"""Attention is called as the function that it is.

Replaces `Platform.opaque_attention_op` of vLLM 0.32's CPU platform. As an operator of PyTorch,
which costs about as much as what it does for one token of a small model, attention is something
that compilers can leave alone. An eager model has no use for it.
"""

from vllm.config import get_current_vllm_config
from vllm.platforms import current_platform


def apply() -> None:
    """Let models that run eagerly call attention directly."""

    def opaque_attention_op() -> bool:
        return not get_current_vllm_config().model_config.enforce_eager

    platform = type(current_platform)
    platform.opaque_attention_op = staticmethod(opaque_attention_op)  # type: ignore[method-assign]
