"""What the page's scripts share with the Python client: one place for each fact, on both sides."""

from dataclasses import replace
from importlib.metadata import version
from typing import Any

from qwen_ocr import repetition
from qwen_ocr.boxes import spot_schema
from qwen_ocr.confidence import LOW_CONFIDENCE
from qwen_ocr.families import MAX_ASPECT_RATIO, Family
from qwen_ocr.profiles import PROFILES, Profile
from qwen_ocr.prompts import DEFAULT_PROMPT, KEY_VALUE, KEY_VALUE_PREFIX, Task, task_of
from qwen_ocr.requests import build_request, wire_body
from qwen_ocr_serve.api.pages import PATH
from qwen_ocr_serve.settings import server_settings


def page_config(model: str, family: Family, profile: Profile | None = None) -> dict[str, Any]:
    """The body of `/page/config.json`; the scripts' own description of it is in `config.js`.

    Only what models of the family were taught is offered.
    """
    profile = profile or replace(PROFILES[-1], family=family)
    # The page draws boxes of lines, which it asks for with a schema.
    presets = [
        task
        for task in Task
        if task_of(task) in family.tasks and (task != Task.SPOT or profile.spots_lines())
    ]
    return {
        "version": version("qwen-ocr"),
        "model": model,
        "plain_text_only": family.tasks == (task_of(DEFAULT_PROMPT),),
        "presets": [{"name": task.name, "prompt": task.value} for task in presets],
        "default_preset": DEFAULT_PROMPT.name,
        "box_preset": Task.SPOT.name,
        "fields_prompt": KEY_VALUE_PREFIX if KEY_VALUE in family.tasks else None,
        "request": _template(model, profile, schema=None),
        "box_request": _template(model, profile, schema=spot_schema(family.box_range)),
        "low_confidence": LOW_CONFIDENCE,
        "loop": {
            "finish_reason": repetition.REPETITION,
            "copies": repetition.COPIES,
            "copies_when_cut": repetition.COPIES_WHEN_CUT,
            "min_pattern": repetition.MIN_PATTERN,
            "max_pattern": repetition.MAX_PATTERN,
        },
        "family": {
            "factor": family.factor,
            "min_tokens": family.min_tokens,
            "budget": family.budget,
            "longest_side": family.longest_side,
            "rounds_up": family.rounds_up,
            "box_range": family.box_range,
            "reads_pages": family.reads_pages,
            "max_aspect_ratio": MAX_ASPECT_RATIO,
        },
        "pdf": {
            "path": PATH,
            "max_bytes": int(server_settings().max_body_mib * 2**20),
        },
    }


def _template(model: str, profile: Profile, schema: dict[str, Any] | None) -> dict[str, Any]:
    """The client's own request in the form that it has on the wire, streamed, less its messages."""
    request = wire_body(build_request(model, "", "", profile=profile, schema=schema))
    del request["messages"]
    return request | {"stream": True, "stream_options": {"include_usage": True}}
