"""Turn a training checkpoint into a model directory that transformers and vLLM load.

`python -m training.export RUN/checkpoint.pt serve/qwen_ocr_serve/mini`
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.charset import TOKENIZER, special_id, write_tokenizer
from training.model import PATCH, Shape
from training.samples import MINI

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's conversion to grey
CONTEXT = 8192  # tokens, image and text together
# Tokens of an answer to a request that names no number. The densest image of the evaluation set
# (13 px type) has 2,951 characters per 524,288 pixels, the most that an image has; where no words
# help, a token may be a single character.
MAX_ANSWER = 4096
HERE = Path(__file__).parent


def _hugging_face_name(name: str) -> str:
    if name.startswith("visual.patch_embed."):
        name = name.replace("patch_embed.", "patch_embed.proj.")
    return name if name.startswith("lm_head.") else f"model.{name}"


def convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of `model.Mini` under transformers' names, in bfloat16.

    The grey patch embedding is spread over three channels by luminance, and over the two equal
    frames that the processor makes of a still image.
    """
    converted = {}
    for name, value in weights.items():
        if name == "visual.patch_embed.weight":
            grey = value.view(-1, 1, 1, PATCH, PATCH)
            value = grey * torch.tensor(LUMINANCE).view(1, 3, 1, 1, 1) / 2
            value = value.expand(-1, 3, 2, PATCH, PATCH)
        converted[_hugging_face_name(name)] = value.to(torch.bfloat16).contiguous()
    return converted


def load_weights(directory: Path) -> dict[str, Tensor]:
    """Weights for `model.Mini` from a model directory: what `convert` did, undone."""
    weights = {}
    for name, value in load_file(directory / "model.safetensors").items():
        name = name.removeprefix("model.").replace("patch_embed.proj.", "patch_embed.")
        if name == "visual.patch_embed.weight":
            value = value.float().sum(dim=(1, 2)).flatten(1)
        weights[name] = value.float()
    return weights


def configuration(shape: Shape) -> dict[str, Any]:
    """`config.json`."""
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "dtype": "bfloat16",
        "image_token_id": special_id("<|image_pad|>"),
        "video_token_id": special_id("<|video_pad|>"),
        "vision_start_token_id": special_id("<|vision_start|>"),
        "vision_end_token_id": special_id("<|vision_end|>"),
        "tie_word_embeddings": False,
        "text_config": {
            "model_type": "qwen3_vl_text",
            "dtype": "bfloat16",
            "vocab_size": shape.vocab,
            "hidden_size": shape.hidden,
            "intermediate_size": shape.mlp,
            "num_hidden_layers": shape.depth,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.heads,
            "head_dim": shape.head_dim,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-6,
            "max_position_embeddings": CONTEXT,
            "tie_word_embeddings": False,
            "bos_token_id": None,
            "eos_token_id": special_id("<|im_end|>"),
            "pad_token_id": special_id("<|endoftext|>"),
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": shape.rope_theta,
                "mrope_section": list(shape.mrope_section),
                "mrope_interleaved": True,
            },
        },
        "vision_config": {
            "model_type": "qwen3_vl_vision",
            "dtype": "bfloat16",
            "depth": shape.vision_depth,
            "hidden_size": shape.vision_hidden,
            "hidden_act": "gelu_pytorch_tanh",
            "intermediate_size": shape.vision_mlp,
            "num_heads": shape.vision_heads,
            "in_channels": 3,
            "patch_size": PATCH,
            "spatial_merge_size": 1,
            "temporal_patch_size": 2,
            "out_hidden_size": shape.hidden,
            "num_position_embeddings": shape.position_side**2,
            "deepstack_visual_indexes": [shape.deepstack_after],
        },
    }


PROCESSOR = {
    "processor_class": "Qwen3VLProcessor",
    "size": {
        "shortest_edge": MINI.min_tokens * PATCH**2,
        "longest_edge": MINI.max_tokens * PATCH**2,
    },
    "patch_size": PATCH,
    "merge_size": 1,
    "temporal_patch_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


def write_model(weights: dict[str, Tensor], shape: Shape, directory: Path) -> None:
    """Write everything that a server needs to load the model."""
    directory.mkdir(parents=True, exist_ok=True)
    weights_file = directory / "model.safetensors"
    save_file(convert(weights), weights_file, metadata={"format": "pt"})
    weights_file.chmod(0o644)  # safetensors writes it for the owner alone
    write_tokenizer(directory)
    shutil.copyfile(HERE / "chat_template.jinja", directory / "chat_template.jinja")
    end, pad = special_id("<|im_end|>"), special_id("<|endoftext|>")
    documents: dict[str, dict[str, Any]] = {
        "config.json": configuration(shape),
        "generation_config.json": {
            "do_sample": False,
            "eos_token_id": [end, pad],
            "pad_token_id": pad,
            "max_new_tokens": MAX_ANSWER,
        },
        "preprocessor_config.json": {"image_processor_type": "Qwen2VLImageProcessor", **PROCESSOR},
        "video_preprocessor_config.json": {
            "video_processor_type": "Qwen3VLVideoProcessor",
            **PROCESSOR,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "processor_class": "Qwen3VLProcessor",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "image_token": "<|image_pad|>",
            "video_token": "<|video_pad|>",
            "vision_start_token": "<|vision_start|>",
            "vision_end_token": "<|vision_end|>",
            "model_max_length": CONTEXT,
            "clean_up_tokenization_spaces": False,
        },
    }
    for name, document in documents.items():
        (directory / name).write_text(json.dumps(document, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--mix", type=Path, help="model directory to take a mean with")
    parser.add_argument("--share", type=float, default=0.5, help="of --mix in that mean")
    options = parser.parse_args()
    weights = torch.load(options.checkpoint, map_location="cpu")["average"]
    if options.mix:
        others = load_weights(options.mix)
        weights = {name: value.lerp(others[name], options.share) for name, value in weights.items()}
    write_model(weights, Shape(vocab=TOKENIZER.get_vocab_size()), options.directory)


if __name__ == "__main__":
    main()
