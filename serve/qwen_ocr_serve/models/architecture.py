"""What a model's shape costs in memory, from its `config.json`.

For a directory, the file in it and the sizes of its weights are read. For the published Qwen-VL
models, `architectures.json` holds the fields of their configurations that matter here, with two
counts: all `parameters`, and the `matrix_parameters` of the language model's layers, which are
what an FP8 checkpoint stores in one byte instead of two. Both were counted on the model that
transformers builds from the configuration, as a test does again; they agree with the sizes that
the models are published in (Qwen3-VL-8B-Instruct 17.5 GB, Qwen3-VL-2B-Instruct 4.26 GB).

A row is `compared` if its shape was compared with a published configuration, model card, file size,
or a training framework that loads the checkpoint (torchtitan: the Qwen3-VL MoE models). The others
are checked by their number of parameters alone, which says little about key-value heads;
`Architecture.exact` is then False, and `qwen-ocr plan` says so.
"""

import dataclasses
import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen_ocr_serve.models.checkpoints import checkpoint_of

_PUBLISHED = Path(__file__).with_name("architectures.json")
BYTES_16_BIT = 2
_BYTES_32_BIT = 4
# Formats whose size on the GPU cannot be told from the number of parameters.
_OTHER_PRECISION = re.compile(r"awq|gptq|gguf|bnb|int4|int8|fp4|w4a|w8a|[48]bit")


class UnknownArchitectureError(Exception):
    """Nothing is known about the model's size; the message says how to make it known."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes that memory depends on: numbers of things, or bytes where it says so."""

    name: str
    weights_bytes: int | None
    """None for a compressed checkpoint whose files are not on this machine."""
    hidden_size: int
    intermediate_size: int
    vocab_size: int
    kv_layers: int
    """Layers that keep keys and values of every token: all, or in hybrid models the few with full
    attention."""
    kv_heads: int
    head_dim: int
    linear_layers: int
    """Layers of a hybrid model that keep a state instead."""
    state_bytes: int
    """One state of all of them, which does not grow with the sequence."""
    max_model_len: int
    """The longest context that the model was made for, in tokens."""
    vision_hidden_size: int
    vision_intermediate_size: int
    deepstack_layers: int
    """Layers of the language model that get a copy of the image's features."""
    patches_per_token: int
    experts: bool
    exact: bool = True
    """Whether the shape is read from the model's files, or was compared with them."""

    def kv_bytes_per_token(self, bytes_per_value: int = BYTES_16_BIT) -> int:
        """A key and a value per layer and head: 2 x layers x heads x head size x bytes."""
        return 2 * self.kv_layers * self.kv_heads * self.head_dim * bytes_per_value


def from_config(name: str, config: dict[str, Any], weights_bytes: int | None) -> Architecture:
    """Read the fields of a Qwen-VL `config.json`.

    Raises `UnknownArchitectureError` if one that is needed is not there.
    """
    text = config.get("text_config") or config  # older files keep the text fields at the top
    vision = config.get("vision_config", {})
    try:
        heads = text["num_attention_heads"]
        hidden = text["hidden_size"]
        vision_hidden = vision.get("embed_dim") or vision["hidden_size"]
        vision_intermediate = vision.get("intermediate_size") or int(
            vision_hidden * vision["mlp_ratio"]
        )
        return Architecture(
            name=name,
            weights_bytes=weights_bytes,
            hidden_size=hidden,
            # Of a mixture of experts, what one token goes through.
            intermediate_size=text.get("num_experts_per_tok", 1)
            * text.get("moe_intermediate_size", text["intermediate_size"]),
            vocab_size=text["vocab_size"],
            kv_layers=text["num_hidden_layers"] - _linear_layers(text),
            kv_heads=text["num_key_value_heads"],
            head_dim=text.get("head_dim") or hidden // heads,
            linear_layers=_linear_layers(text),
            state_bytes=_linear_layers(text) * _linear_state_bytes(text),
            max_model_len=text["max_position_embeddings"],
            vision_hidden_size=vision_hidden,
            vision_intermediate_size=vision_intermediate,
            deepstack_layers=len(vision.get("deepstack_visual_indexes", ())),
            patches_per_token=vision.get("spatial_merge_size", 2) ** 2,
            experts="num_experts" in text,
        )
    except KeyError as exc:
        raise UnknownArchitectureError(f"the config.json of {name} has no field {exc}") from exc


def _linear_layers(text: dict[str, Any]) -> int:
    layers: int = text["num_hidden_layers"]
    if "layer_types" in text:
        return sum(kind == "linear_attention" for kind in text["layer_types"])
    interval: int | None = text.get("full_attention_interval")
    return layers - layers // interval if interval else 0


def _linear_state_bytes(text: dict[str, Any]) -> int:
    """One layer of Gated DeltaNet: a matrix per value head in 32 bits, and the last inputs of the
    convolution (`MambaStateShapeCalculator.gated_delta_net_state_shape` of vLLM)."""
    if "linear_num_value_heads" not in text:
        return 0
    key_size, value_size = text["linear_key_head_dim"], text["linear_value_head_dim"]
    keys, values = text["linear_num_key_heads"], text["linear_num_value_heads"]
    recurrent: int = values * key_size * value_size * _BYTES_32_BIT
    channels: int = 2 * keys * key_size + values * value_size
    inputs: int = channels * (text["linear_conv_kernel_dim"] - 1)
    return recurrent + inputs * BYTES_16_BIT


def of_directory(path: Path) -> Architecture:
    """The model in a directory: its `config.json`, and its weights as they lie there.

    Raises `UnknownArchitectureError` if it has no readable configuration.
    """
    try:
        config = json.loads((path / "config.json").read_text())
    except (OSError, ValueError) as exc:
        raise UnknownArchitectureError(f"no readable config.json in {path}: {exc}") from exc
    weights = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    return from_config(path.name, config, weights or None)


@functools.cache
def published() -> list[dict[str, Any]]:
    """The rows of `architectures.json`."""
    rows: list[dict[str, Any]] = json.loads(_PUBLISHED.read_text())
    return rows


def of_published(model: str) -> Architecture:
    """A model that Qwen has published, or one trained on top of it, from its name or a name that
    contains it.

    Raises `UnknownArchitectureError` for any other.
    """
    checkpoint = checkpoint_of(model)
    name = (checkpoint.shape if checkpoint and checkpoint.shape else model).lower()
    for row in published():
        if re.search(rf"(?<![\w.]){row['pattern']}(?![\w.])", name):
            weights = _weights_bytes(row, name.removesuffix("/"))
            shape = from_config(model, row["config"], weights)
            return dataclasses.replace(shape, exact=row["compared"])
    raise UnknownArchitectureError(
        f"{model} is not in the table of published models; download it and give its directory"
    )


def _weights_bytes(row: dict[str, Any], name: str) -> int | None:
    if _OTHER_PRECISION.search(name):
        return None
    two_bytes: int = row["parameters"] * BYTES_16_BIT
    one_byte: int = row["matrix_parameters"]
    return two_bytes - one_byte if "fp8" in name else two_bytes
