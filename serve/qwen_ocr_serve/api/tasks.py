"""What the served model was not taught is refused before it costs anything.

A model that reads plain text only answers a question for a table, for boxes or for a form with
minutes of nonsense. Which models were taught what is in the client's table, `qwen_ocr.families`.
"""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from qwen_ocr.families import why_unsupported
from qwen_ocr.prompts import KEY_VALUE, task_of
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.models.serving import served_family

CODE = "unsupported_task"


def refuse_prompt(prompt: str, status: HTTPStatus) -> None:
    """Refuse, with this status, a prompt in the words of a task that the model was not taught."""
    _refuse([task_of(prompt)], status)


def refuse_request(data: Mapping[str, Any]) -> None:
    """Refuse a request of the OpenAI routes for such a task, or for an answer in a form.

    `data` is its JSON, which nobody has looked at yet.
    """
    asked = [task_of(text) for text in texts(data.get("messages") or data.get("input"))]
    if _wants_form(data):
        asked.append(KEY_VALUE)
    _refuse(asked, HTTPStatus.BAD_REQUEST)


def _refuse(asked: Iterable[str | None], status: HTTPStatus) -> None:
    family = served_family()
    for task in asked:
        why = why_unsupported(family, task) if family and task else None
        if why:
            raise APIError(status.value, CODE, why)


def _wants_form(data: Mapping[str, Any]) -> bool:
    text = data.get("text")
    forms = (data.get("response_format"), text.get("format") if isinstance(text, Mapping) else None)
    return bool(
        any(isinstance(form, Mapping) and form.get("type") != "text" for form in forms)
        or data.get("structured_outputs")
        or data.get("tools")
    )


def texts(content: object) -> Iterator[str]:
    """Every text in the content of a message, or in a whole conversation."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        yield from texts(content.get("text") or content.get("content"))
    elif isinstance(content, list | tuple):
        for part in content:
            yield from texts(part)
