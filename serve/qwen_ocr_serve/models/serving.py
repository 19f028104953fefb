"""What serving needs to know about each model family, beside what the client knows about it.

Keyed by the names of the client's table, `qwen_ocr.families`, which has the pixels and the boxes.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qwen_ocr.families import Family, known_family
from qwen_ocr_serve.settings import server_settings


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


SERVING = {
    "mini": Serving(max_answer=None),
    "qwen2-vl": Serving(),
    "qwen2.5-vl": Serving(),
    "qwen3-vl": Serving(),
    "qwen3.5": Serving(thinking=True, fp8_kv_cache=True),
}
# `model_type` in config.json, less the suffix of the mixtures of experts.
_FAMILY_OF_TYPE = {
    "qwen2_vl": "qwen2-vl",
    "qwen2_5_vl": "qwen2.5-vl",
    "qwen3_vl": "qwen3-vl",
    "qwen3_5": "qwen3.5",
}
_MIXTURE_OF_EXPERTS = re.compile(r"-a\d+b|_moe$")


def _model_type(directory: Path | None) -> str:
    """`model_type` in the directory's config.json; empty when there is none to read."""
    if directory is None:
        return ""
    try:
        return str(json.loads((directory / "config.json").read_text())["model_type"])
    except (OSError, ValueError, KeyError):
        return ""


def family_of_model(model: str, directory: Path | None = None) -> Family | None:
    """The family, by the model's name, or else by the `config.json` in its directory.

    None if neither tells; the model is then served without any family's flags.
    """
    by_type = _FAMILY_OF_TYPE.get(_model_type(directory).removesuffix("_moe"), "")
    return known_family(model) or known_family(by_type)


@cache
def served_family() -> Family | None:
    """The family of the model that this server serves, under whatever name; None if unknown."""
    settings = server_settings()
    return family_of_model(settings.model, settings.local_model)


def serving_of(family: Family | None) -> Serving:
    """The family's row; safe defaults when it is unknown."""
    return SERVING[family.name] if family else Serving()


def flags_of(model: str, directory: Path | None, gpus: int) -> dict[str, str]:
    """The vLLM flags that depend on the model, and on how many GPUs share it.

    Those for several GPUs are the ones of vLLM's recipes: the small vision encoder runs as a whole
    on every GPU, because splitting it costs more than it saves, and experts are spread over the
    GPUs, because their FP8 blocks of 128 x 128 cannot always be cut.
    """
    flags = {}
    if serving_of(family_of_model(model, directory)).thinking:
        flags["--default-chat-template-kwargs"] = json.dumps({"enable_thinking": False})
    if gpus > 1:
        flags["--tensor-parallel-size"] = str(gpus)
        flags["--mm-encoder-tp-mode"] = "data"
        if _MIXTURE_OF_EXPERTS.search(model.lower()) or _MIXTURE_OF_EXPERTS.search(
            _model_type(directory)
        ):
            flags["--enable-expert-parallel"] = ""
    return flags
