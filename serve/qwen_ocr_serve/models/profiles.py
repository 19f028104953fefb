"""Which profile the model to serve has: by its name, or by what its `config.json` says.

A configuration knows the architecture; the name alone tells a model from one that was trained on
top of it. Where the two disagree about the architecture, the configuration is right: directories
are named by people.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from qwen_ocr.profiles import PROFILES, Profile, known_profile, profile_named
from qwen_ocr_serve.models.config_file import config_of
from qwen_ocr_serve.settings import ServeSettings, server_settings

# `model_type` in config.json, less the suffix of the mixtures of experts.
_PROFILE_OF_TYPE = {
    "qwen2_vl": "qwen2-vl",
    "qwen2_5_vl": "qwen2.5-vl",
    "qwen3_vl": "qwen3-vl",
    "qwen3_5": "qwen3.5",
    "dots_ocr": "dots.ocr",
    "lightonocr": "lightonocr-2",
    "lighton_ocr": "lightonocr-2",
}
# Where `model_type` is that of other models, too: LightOnOCR's is Mistral 3's.
_PROFILE_OF_ARCHITECTURE = {"LightOnOCRForConditionalGeneration": "lightonocr-2"}
_TEXT_ONLY_TYPES = re.compile(r"qwen(2|3|3_5|3_next|4_exp)?(_moe)?(_text)?|qwen3_asr|qwen2_audio")
# Qwen's own names without pictures: `Qwen3-8B`, `Qwen2.5-72B-Instruct`, `Qwen3-ASR-1.7B`, and the
# one of 3.8 that has none. From 3.5 on, all others see.
_TEXT_ONLY_NAMES = re.compile(
    r"\Aqwen/(qwen3\.8-2\.4t|qwen(1\.5|2|2\.5|3)?-(?!vl)|qwen3-next|qwq|codeqwen)"
)


class UnknownProfileError(ValueError):
    """There is no profile of that name; the message says which there are."""


class NoPicturesError(ValueError):
    """The model reads text alone; the message says what to serve."""


def model_type(config: dict[str, Any]) -> str:
    """`model_type` of a configuration, less the suffix of the mixtures of experts."""
    return str(config.get("model_type", "")).removesuffix("_moe")


def profile_for(
    model: str, directory: Path | None, name: str | None = None, *, download: bool = False
) -> Profile | None:
    """The profile of the model in a directory or with a Hub id; `name` is one that was chosen.

    None if nothing tells; the model is then served without any family's flags. Raises
    `UnknownProfileError` and `NoPicturesError`.
    """
    if name is not None:
        chosen = profile_named(name)
        if chosen is None:
            names = ", ".join(sorted(profile.name for profile in PROFILES))
            raise UnknownProfileError(f"there is no profile {name!r}, only {names}")
        return chosen
    config = config_of(model, directory, download=download)
    _refuse_text_only(model, config)
    by_type = _profile_of_architecture(config)
    for told in (model, str(config.get("_name_or_path", ""))):
        by_name = known_profile(told)
        if by_name and (by_type is None or _same_architecture(by_name, by_type)):
            return by_name
    return by_type


def _profile_of_architecture(config: dict[str, Any]) -> Profile | None:
    told = config.get("architectures")
    architectures = map(str, told) if isinstance(told, list) else ()
    named = [_PROFILE_OF_TYPE.get(model_type(config))]
    named += [_PROFILE_OF_ARCHITECTURE.get(name) for name in architectures]
    return next((profile_named(name) for name in named if name), None)


def _same_architecture(first: Profile, second: Profile) -> bool:
    # The bundled model has the architecture of Qwen3-VL.
    names = {profile.family.name for profile in (first, second)}
    return len(names) == 1 or names == {"mini", "qwen3-vl"}


def _refuse_text_only(model: str, config: dict[str, Any]) -> None:
    told = str(config.get("model_type", ""))
    if "vision_config" in config or (told and not _TEXT_ONLY_TYPES.fullmatch(told)):
        return
    if told or _TEXT_ONLY_NAMES.match(model.lower()):
        raise NoPicturesError(
            f"{model} reads text only, no images: serve a vision model of the line, such as "
            "Qwen/Qwen3-VL-8B-Instruct; `qwen-ocr models` lists them"
        )


def profile_of_settings(settings: ServeSettings) -> Profile | None:
    """The profile of the model that the settings name. Raises as `profile_for`."""
    return profile_for(settings.model, settings.local_model, settings.profile)


@cache
def served_profile() -> Profile | None:
    """The profile of the model that this server serves, under whatever name; None if unknown."""
    return profile_of_settings(server_settings())
