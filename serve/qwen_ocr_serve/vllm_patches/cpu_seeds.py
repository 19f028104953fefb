"""A request with a seed may have a prompt that takes several steps.

Replaces `CPUModelRunner.sample_tokens` of vLLM 0.32. A step that computes only a part of a prompt
draws a token for it as well, which is thrown away. vLLM then turns the request's generator of
random numbers back by an offset, which generators on GPUs have and those on CPUs do not: the
engine dies, with every request that it holds. Here such a request has no generator in such a step,
so that there is nothing to turn back, and its answer is the same however its prompt was cut.
"""

from typing import Any

from vllm.v1.worker.cpu_model_runner import CPUModelRunner


def apply() -> None:
    """Keep the generators of unfinished prompts out of the steps that draw nothing for them."""
    sample_tokens: Any = CPUModelRunner.sample_tokens

    def sample_finished_prompts(self: CPUModelRunner, *arguments: Any, **options: Any) -> Any:
        generators = self.input_batch.generators
        unfinished = self.discard_request_mask.np[: self.input_batch.num_reqs]
        kept = {row: generators.pop(row) for row in list(generators) if unfinished[row]}
        try:
            return sample_tokens(self, *arguments, **options)
        finally:
            generators.update(kept)

    CPUModelRunner.sample_tokens = sample_finished_prompts  # type: ignore[method-assign,assignment]
