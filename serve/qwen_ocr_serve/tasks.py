"""What the served model was not taught is refused before it costs anything.

A model that reads plain text only answers a question for a table, for boxes or for a form with
minutes of nonsense. Which models were taught what is in the client's table, `qwen_ocr.families`.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from qwen_ocr.families import Family, why_unsupported
from qwen_ocr.prompts import KEY_VALUE, task_of
from qwen_ocr_serve import models
from qwen_ocr_serve.guard.problems import Problem
from qwen_ocr_serve.settings import ServeSettings

CODE = "unsupported_task"


@cache
def served_family() -> Family | None:
    """The family of the model that is served, under whatever name; None if nothing tells it."""
    settings = ServeSettings()
    return models.family_of_model(settings.model, settings.local_model)


def refuse_prompt(prompt: str, status: HTTPStatus) -> None:
    """Refuse, with this status, a prompt in the words of a task that the model was not taught."""
    _refuse([task_of(prompt)], status)


def refuse_request(data: Mapping[str, Any]) -> None:
    """Refuse a request of the OpenAI routes for such a task, or for an answer in a form.

    `data` is its JSON, which nobody has looked at yet.
    """
    asked = [task_of(text) for text in _texts(data.get("messages") or data.get("input"))]
    if _wants_form(data):
        asked.append(KEY_VALUE)
    _refuse(asked, HTTPStatus.BAD_REQUEST)


def _refuse(asked: Iterable[str | None], status: HTTPStatus) -> None:
    family = served_family()
    for task in asked:
        why = why_unsupported(family, task) if family and task else None
        if why:
            raise Problem(status.value, CODE, why)


def _wants_form(data: Mapping[str, Any]) -> bool:
    text = data.get("text")
    forms = (data.get("response_format"), text.get("format") if isinstance(text, Mapping) else None)
    return bool(
        any(isinstance(form, Mapping) and form.get("type") != "text" for form in forms)
        or data.get("structured_outputs")
        or data.get("tools")
    )


def _texts(messages: object) -> Iterator[str]:
    if isinstance(messages, str):
        yield messages
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, Mapping) else None
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            text = part.get("text") if isinstance(part, Mapping) else part
            if isinstance(text, str):
                yield text
