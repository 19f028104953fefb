"""What serving needs to know about each model family, beside what the client knows about it.

Keyed by the names of the client's table, `qwen_ocr.families`, which has the pixels and the boxes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qwen_ocr.families import Family
from qwen_ocr.profiles import Profile
from qwen_ocr_serve.models.config_file import config_of
from qwen_ocr_serve.models.profiles import profile_for, served_profile


@dataclass(frozen=True, slots=True)
class Serving:
    """How a family is served."""

    thinking: bool = False
    """Its chat template lets the model reason at length before it answers, unless told not to."""
    fp8_kv_cache: bool = False
    """A KV cache in 8 bits is known to leave the text as it is: vLLM's recipes use it for the
    hybrid models. Qwen2's keys have a bias, which 8 bits spoil; for Qwen3-VL nobody has shown
    it."""
    max_answer: int | None = 16384
    """Most tokens of an answer, less where the context ends first; None where the model's own
    `generation_config.json` has a fitting number. No page comes near the default: one of 5,000
    characters is 1,500 to 3,000 tokens of text, a table of as many some 6,000 of HTML. Without
    a bound, what is no text at all can be read until the context is full."""

    flags: Mapping[str, str] = field(default_factory=dict)
    """Further flags of vLLM."""


SERVING = {
    "mini": Serving(max_answer=None),
    "qwen2-vl": Serving(),
    "qwen2.5-vl": Serving(),
    "qwen3-vl": Serving(),
    "qwen3.5": Serving(thinking=True, fp8_kv_cache=True),
    # README.md of rednote-hilab/dots.ocr: its prompts hold the signs of the image themselves, and
    # its processor is code from the Hub.
    "dots.ocr": Serving(
        flags={"--chat-template-content-format": "string", "--trust-remote-code": ""}
    ),
    "lightonocr": Serving(),
}
_REASONING = frozenset({"qwen3-vl-thinking"})
"""Profiles whose models reason in any case. What they think is kept apart from what they read."""
_MIXTURE_OF_EXPERTS = re.compile(r"-a\d+b|_moe$")


def family_of_model(model: str, directory: Path | None = None) -> Family | None:
    """The family, by the model's name and its `config.json`; None if neither tells.

    Raises `NoPicturesError` for a model that reads text alone.
    """
    profile = profile_for(model, directory)
    return profile.family if profile else None


def served_family() -> Family | None:
    """The family of the model that this server serves, under whatever name; None if unknown."""
    profile = served_profile()
    return profile.family if profile else None


def serving_of(family: Family | None) -> Serving:
    """The family's row; safe defaults when it is unknown."""
    return SERVING[family.name] if family else Serving()


def flags_of(
    model: str, directory: Path | None, gpus: int, profile: Profile | None
) -> dict[str, str]:
    """The vLLM flags that depend on the model, and on how many GPUs share it.

    Those for several GPUs are the ones of vLLM's recipes: the small vision encoder runs as a whole
    on every GPU, because splitting it costs more than it saves, and experts are spread over the
    GPUs, because their FP8 blocks of 128 x 128 cannot always be cut.
    """
    flags = {}
    serving = serving_of(profile.family if profile else None)
    if serving.thinking:
        flags["--default-chat-template-kwargs"] = json.dumps({"enable_thinking": False})
    if profile and profile.name in _REASONING:
        flags["--reasoning-parser"] = "qwen3"
    flags |= serving.flags
    if gpus > 1:
        flags["--tensor-parallel-size"] = str(gpus)
        flags["--mm-encoder-tp-mode"] = "data"
        kind = str(config_of(model, directory).get("model_type", ""))
        if _MIXTURE_OF_EXPERTS.search(model.lower()) or _MIXTURE_OF_EXPERTS.search(kind):
            flags["--enable-expert-parallel"] = ""
    return flags
