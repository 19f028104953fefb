"""Whether a model fits into a GPU's memory, and how many pages it can then read at a time.

The arithmetic is vLLM's own, done before the download. The KV cache gets what weights and working
space leave of the memory that vLLM may use. The cache divided by what one page needs is the number
of pages in flight. Weights and cache are exact. The working space is an estimate: what vLLM
measures at its start, and logs as `Available KV cache memory`, is what counts.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from qwen_ocr.families import Family
from qwen_ocr_serve.models.architecture import BYTES_16_BIT, Architecture

GIB = 2**30
GPU_MEMORY_UTILIZATION = 0.92
"""vLLM's default: the part of a GPU's memory that it uses."""
PROMPT_TOKENS = 64
"""A prompt and the chat format around it; the longest preset of `Task` has about 60."""
MAX_USEFUL_CONTEXT = 32768
"""A request of eight images at their usual budget and as many tokens of text. A longer context
only gives a model that repeats itself more room."""
GRAPHS_AND_CONTEXT_GIB = 1.5
"""CUDA's context, and CUDA graphs: 784 MiB for a 27B model in vLLM's recipe for Qwen3.8-27B."""
_LARGE_GPU_GIB = 70
_BLOCK = 16
"""Blocks of the cache hold a multiple of so many tokens."""
_ACTIVATION_WIDTHS = 8
"""Tensors of the hidden size that are alive at once in a transformer layer: residual, norm, query,
key, value, attention output, projection and one spare. An assumption on the safe side."""


@dataclass(frozen=True, slots=True)
class PageLoad:
    """What is asked: the machine, and the pages."""

    gpu_memory_gib: float
    """Of one GPU."""
    gpus: int = 1
    image_tokens: int | None = None
    """Visual tokens of a page; the family's budget when None."""
    answer_tokens: int = 2048
    """Tokens of a page's text; 2048 are a dense page of print."""
    fp8_kv_cache: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the calculation."""

    label: str
    size: float
    """Bytes."""
    how: str
    """The formula with its numbers."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The result. Everything in bytes is for one GPU."""

    usable: Item
    weights: Item
    working_space: Item
    kv_cache: Item
    """Negative when the model does not fit."""
    page: Item
    pages_in_flight: int
    kv_tokens: int
    max_model_len: int | None
    """The context to start the server with; None when memory is short: vLLM then takes the longest
    that fits."""

    @property
    def fits(self) -> bool:
        """Whether at least one page can be read."""
        return self.pages_in_flight > 0

    def __iter__(self) -> Iterator[Item]:
        """The lines of the calculation, in order."""
        yield from (self.usable, self.weights, self.working_space, self.kv_cache, self.page)


def plan_memory(architecture: Architecture, family: Family, load: PageLoad) -> MemoryPlan | None:
    """The plan for a model on GPUs; None if the size of its weights is unknown."""
    if architecture.weights_bytes is None:
        return None
    memory, gpus = load.gpu_memory_gib, load.gpus
    usable = Item(
        "usable memory",
        memory * GIB * GPU_MEMORY_UTILIZATION,
        f"{memory:g} GiB × {GPU_MEMORY_UTILIZATION:g} (vLLM's --gpu-memory-utilization)",
    )
    weights = Item(
        "weights",
        architecture.weights_bytes / gpus,
        f"{architecture.weights_bytes / 1e9:.2f} GB" + (f" ÷ {gpus} GPUs" if gpus > 1 else ""),
    )
    working_space = _working_space(architecture, family, load)
    left = usable.size - weights.size - working_space.size
    kv_cache = Item("KV cache", left, "what is left of it")
    page = page_memory(architecture, family, load)
    per_token = _kv_bytes_per_token(architecture, load)
    kv_tokens = max(0, int(left / per_token))
    context = min(MAX_USEFUL_CONTEXT, architecture.max_model_len)
    return MemoryPlan(
        usable=usable,
        weights=weights,
        working_space=working_space,
        kv_cache=kv_cache,
        page=page,
        pages_in_flight=min(max(0, int(left / page.size)), max_running(memory)),
        kv_tokens=kv_tokens,
        # Twice that, because vLLM refuses to start when a single request would not fit.
        max_model_len=context if kv_tokens >= 2 * context else None,
    )


def max_running(gpu_memory_gib: float) -> int:
    """vLLM's default for `--max-num-seqs`: requests that it works on at a time."""
    return 1024 if gpu_memory_gib >= _LARGE_GPU_GIB else 256


def page_memory(architecture: Architecture, family: Family, load: PageLoad) -> Item:
    """The KV cache of one page: of its image, prompt and text."""
    image_tokens = load.image_tokens or family.budget
    tokens = image_tokens + PROMPT_TOKENS + load.answer_tokens
    block = _block_tokens(architecture, load)
    kept = math.ceil(tokens / block) * block
    per_token = _kv_bytes_per_token(architecture, load)
    state = _states_bytes(architecture, load) / load.gpus
    how = (
        f"({image_tokens} image + {PROMPT_TOKENS} prompt + {load.answer_tokens} text tokens)"
        f" × {per_token / 1024:g} KiB"
    )
    if state:
        how = how.replace(" text tokens)", f" text tokens, in blocks of {block})")
        how += f" + {state / 2**20:.0f} MiB for two states of the linear-attention layers"
    return Item("one page", kept * per_token + state, how)


def _block_tokens(architecture: Architecture, load: PageLoad) -> int:
    """Tokens of a block of the cache: in a hybrid model so many that one layer's keys and values of
    a block are as large as one layer's state (`Platform.update_block_size_for_backend` of vLLM)."""
    if not architecture.linear_layers:
        return 1  # of 16, which makes no difference
    state = architecture.state_bytes / architecture.linear_layers
    return math.ceil(state / (_layer_token_bytes(architecture, load) * _BLOCK)) * _BLOCK


def _layer_token_bytes(architecture: Architecture, load: PageLoad) -> int:
    return 2 * architecture.kv_heads * architecture.head_dim * _kv_value_bytes(load)


def _states_bytes(architecture: Architecture, load: PageLoad) -> int:
    """What vLLM keeps of a sequence beside its keys and values, however long it is: two states for
    each linear-attention layer, each as large as a block (`MambaSpec.max_memory_usage_bytes` in
    mamba cache mode `align`)."""
    block = _block_tokens(architecture, load) * _layer_token_bytes(architecture, load)
    return 2 * architecture.linear_layers * block


def kv_formula(architecture: Architecture, load: PageLoad) -> str:
    """How the bytes per token come about."""
    return (
        f"2 (key, value) × {architecture.kv_layers} layers × "
        f"{architecture.kv_heads} heads × {architecture.head_dim} × {_kv_value_bytes(load)} B"
        + (f", over {load.gpus} GPUs" if load.gpus > 1 else "")
    )


def _kv_value_bytes(load: PageLoad) -> int:
    return 1 if load.fp8_kv_cache else BYTES_16_BIT


def _kv_bytes_per_token(architecture: Architecture, load: PageLoad) -> float:
    whole = architecture.kv_bytes_per_token(_kv_value_bytes(load))
    # With more GPUs than heads, heads are kept more than once.
    return whole / min(load.gpus, architecture.kv_heads)


def _working_space(architecture: Architecture, family: Family, load: PageLoad) -> Item:
    """What a step of the engine needs beside weights and cache, at vLLM's default limits."""
    batch = 8192 if load.gpu_memory_gib >= _LARGE_GPU_GIB else 2048  # --max-num-batched-tokens
    text = batch * (
        _ACTIVATION_WIDTHS * architecture.hidden_size
        + 2 * architecture.intermediate_size / load.gpus
    )
    # vLLM measures with the largest image that the family's processor lets through.
    patches = family.max_tokens * architecture.patches_per_token
    vision = patches * (
        _ACTIVATION_WIDTHS * architecture.vision_hidden_size
        + 2 * architecture.vision_intermediate_size
    )
    features = family.max_tokens * architecture.hidden_size * (1 + architecture.deepstack_layers)
    logits = max_running(load.gpu_memory_gib) * architecture.vocab_size * 2  # in 32 bits
    values = {"text": text, "vision": vision, "features": features, "logits": logits}
    parts = {name: count * BYTES_16_BIT / GIB for name, count in values.items()}
    parts["graphs and context"] = GRAPHS_AND_CONTEXT_GIB
    return Item(
        "working space",
        sum(parts.values()) * GIB,
        "estimate: " + " + ".join(f"{size:.1f} {name}" for name, size in parts.items()) + " GiB",
    )
