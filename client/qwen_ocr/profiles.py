"""How a checkpoint is asked and how it answers: what differs between models of one family.

Qwen's own models are asked in the words of `Task`. OCR models that were trained on top of them know
other words, and answer in a form of their own. Our server tells its clients the profile of what it
serves; a client of another server finds it by the model's name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from qwen_ocr import own_words
from qwen_ocr.families import QWEN3_VL, Family, family_named
from qwen_ocr.prompts import Task, task_of

_DOCUMENT = ("text", "markdown", "table", "formula")
"""The tasks of a model that knows one way to read a page: it answers all of them in Markdown."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One row of the table."""

    name: str
    family: Family
    """With the tasks and the budget of this checkpoint."""
    pattern: str = ""
    """Regular expression searched for in the model's name, in lower case; the family's if empty."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """The model's own words for a task; those of `Task` for one that is not here."""
    output: str = "markdown"
    """The form of its answers, of `markup.OUTPUTS`."""
    text_first: bool = False
    """Whether the prompt stands before the image, and not behind it."""
    temperature: float = 0.0
    """To sample at: 0 for the most likely text, more for a model that loops when it is greedy."""

    def words(self, prompt: str) -> str:
        """The prompt for this model: its own words for one of `Task`, else the caller's."""
        return self.prompts.get(task_of(prompt) or "", prompt)

    def form_of(self, prompt: str) -> str | None:
        """In which form of `markup.OUTPUTS` it answers a prompt; None if with the text itself, as
        to any prompt of the caller's own, and where HTML was asked for."""
        task = task_of(prompt)
        in_form = task in self.prompts or task == task_of(Task.MARKDOWN)
        return self.output if task and in_form and task != task_of(Task.HTML) else None

    def spots_lines(self) -> bool:
        """Whether boxes are those of lines, in Qwen-VL's own form, and not of blocks."""
        return "spot" not in self.prompts

    def content(self, url: str, prompt: str) -> list[dict[str, Any]]:
        """The parts of a message with one image, in the order of the model's training."""
        image = {"type": "image_url", "image_url": {"url": url}}
        words = self.words(prompt)
        text = [{"type": "text", "text": words}] if words else []
        return [*text, image] if self.text_first else [image, *text]


def _base(name: str) -> Family:
    family = family_named(name)
    assert family is not None, name
    return family


def _asked(*tasks: str, prompt: str) -> dict[str, str]:
    return dict.fromkeys(tasks, prompt)


_QWEN2_5_VL, _QWEN3_5 = _base("qwen2.5-vl"), _base("qwen3.5")

PROFILES = (
    # Up to 6,144 tokens: chandra/model/util.py shrinks to 3072 x 2048 pixels.
    Profile(
        "chandra-2",
        replace(_QWEN3_5, budget=6144, tasks=(*_DOCUMENT, "html", "spot")),
        r"chandra-ocr-2",
        _asked(*_DOCUMENT, "html", "spot", prompt=own_words.CHANDRA_2),
        output="html",
    ),
    # 1288 pixels and the first of its temperatures: olmocr/pipeline.py.
    Profile(
        "olmocr-2",
        replace(_QWEN2_5_VL, budget=2116, longest_side=1288, tasks=_DOCUMENT),
        r"olmocr-2",
        _asked(*_DOCUMENT, prompt=own_words.OLMOCR_2),
        output="front_matter",
        text_first=True,
        temperature=0.1,
    ),
    # Pages 1280 pixels wide: olmocr/bench/runners/run_nanonetsocr_2.py.
    Profile(
        "nanonets-ocr2",
        replace(_QWEN2_5_VL, budget=3072, tasks=_DOCUMENT),
        r"nanonets-ocr2",
        _asked(*_DOCUMENT, prompt=own_words.NANONETS_2),
        output="tags",
    ),
    # Page sizes and temperature: README.md of lightonai/LightOnOCR.
    Profile(
        "lightonocr-3",
        replace(_QWEN3_5, budget=4096, longest_side=2048, tasks=(*_DOCUMENT, "spot")),
        r"lightonocr-3-(?!1b)",
        _asked(*_DOCUMENT, prompt=own_words.LIGHTON_PLAIN) | {"spot": own_words.LIGHTON_GROUNDING},
        output="markers",
        temperature=0.1,
    ),
    Profile(
        "lightonocr-3-1b",
        replace(_base("lightonocr"), tasks=(*_DOCUMENT, "spot")),
        r"lightonocr-3-1b",
        _asked(*_DOCUMENT, prompt=own_words.LIGHTON_PLAIN) | {"spot": own_words.LIGHTON_GROUNDING},
        output="markers",
        temperature=0.1,
    ),
    Profile(
        "lightonocr-2",
        _base("lightonocr"),
        prompts=_asked(*_DOCUMENT, prompt=own_words.LIGHTON_PLAIN),
        output="markers",
        temperature=0.2,
    ),
    # Greedy: Infinity-Parser2/infinity_parser2/backends/vllm_server.py.
    Profile(
        "infinity-parser2",
        replace(_QWEN3_5, budget=4096, tasks=(*_DOCUMENT, "spot")),
        r"infinity-parser2",
        _asked(*_DOCUMENT, "spot", prompt=own_words.INFINITY_2),
        output="layout",
    ),
    # Temperature: dots_ocr/model/inference.py.
    Profile(
        "dots.ocr",
        _base("dots.ocr"),
        prompts={"text": own_words.DOTS_TEXT}
        | _asked("markdown", "table", "formula", "spot", prompt=own_words.DOTS_LAYOUT),
        output="layout",
        temperature=0.1,
    ),
    Profile("qwen3-vl-thinking", QWEN3_VL, r"qwen3-?vl.*thinking"),
    *(
        Profile(name, _base(name))
        for name in ("mini", "qwen2-vl", "qwen2.5-vl", "qwen3.5", "qwen3-vl")
    ),
)
"""Found from above: a checkpoint before the family that it is of."""


def known_profile(model: str) -> Profile | None:
    """The profile of a model, from its name or path; None for a name that tells nothing."""
    name = model.lower()
    return next((p for p in PROFILES if re.search(p.pattern or p.family.pattern, name)), None)


def profile_named(name: str) -> Profile | None:
    """The row of that name."""
    return next((p for p in PROFILES if p.name == name), None)


def profile_of(model: str) -> Profile:
    """The profile of a model, from its name or path; Qwen3-VL's for a name that tells nothing."""
    return known_profile(model) or PROFILES[-1]


def told_profile(model: str, about: Mapping[str, Any]) -> Profile:
    """The profile that a server of ours tells, see `tell`; what it leaves out is the
    family's, or by the model's name."""
    family = family_named(str(about["family"]))
    profile = Profile(family.name, family) if family else profile_of(model)
    shape = about.get("image") or {}
    known = {name: shape[name] for name in _IMAGE if name in shape}
    family = replace(profile.family, tasks=tuple(about["tasks"]), **known)
    given = {name: about[name] for name in _ASKING if about.get(name) is not None}
    return replace(profile, family=family, **given)


_IMAGE = (
    "factor",
    "min_tokens",
    "max_tokens",
    "budget",
    "longest_side",
    "rounds_up",
    "box_range",
)
_ASKING = ("name", "prompts", "output", "text_first", "temperature")


def tell(profile: Profile) -> dict[str, Any]:
    """What a server says about the model that it serves, in JSON's types."""
    family = profile.family
    return {
        "family": family.name,
        "tasks": list(family.tasks),
        "reads": "pages" if family.reads_pages else "blocks",
        "image": {name: getattr(family, name) for name in _IMAGE},
        **{name: getattr(profile, name) for name in _ASKING},
        "prompts": dict(profile.prompts),
    }
