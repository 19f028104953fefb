"""Corrects vLLM 0.32's speculative decoding without GPU, at a temperature above 0.

Importing this module applies them. An answer at temperature 0 needs none of them.
"""

from torch import Tensor
from vllm.v1.sample import rejection_sampler
from vllm.v1.sample.metadata import SamplingMetadata

_constrain = rejection_sampler.apply_sampling_constraints


def expand_batch_to_tokens(
    x: Tensor, cu_num_tokens: Tensor, num_tokens: int, replace_from: int = 0, replace_to: int = 0
) -> Tensor:
    """The value of each request, (requests), once for each of its guessed tokens, (tokens).

    vLLM's kernel for CPUs writes into a copy that nobody reads: temperatures would be whatever the
    memory held.
    """
    counts = cu_num_tokens.diff(prepend=cu_num_tokens.new_zeros(1))
    values = x.repeat_interleave(counts, output_size=num_tokens)
    return values.masked_fill(values == replace_from, replace_to)


def apply_sampling_constraints(
    logits: Tensor, cu_num_draft_tokens: Tensor, sampling_metadata: SamplingMetadata
) -> Tensor:
    """Apply temperature, top-k and top-p to the scores of guessed tokens, (tokens, vocabulary).

    The first step of an answer has no guesses. With top-k, vLLM's function fails without any.
    """
    if not len(logits):
        return logits
    return _constrain(logits, cu_num_draft_tokens, sampling_metadata)


rejection_sampler.expand_batch_to_tokens = expand_batch_to_tokens
rejection_sampler.apply_sampling_constraints = apply_sampling_constraints
