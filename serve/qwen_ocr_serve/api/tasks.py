"""The tasks of `qwen_ocr.Task`, asked for by anybody: in the words of the model that is served.

What the model was not taught is refused before it costs anything: one that reads plain text only
answers a question for a table, for boxes or for a form with minutes of nonsense. Which models were
taught what, and in which words, is in the client's tables, `qwen_ocr.families` and `profiles`.
"""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from qwen_ocr.families import why_unsupported
from qwen_ocr.prompts import KEY_VALUE, task_of
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.models.profiles import served_profile
from qwen_ocr_serve.models.serving import served_family

CODE = "unsupported_task"
TEXT_TYPES = ("text", "input_text")
"""What a part of a message with text is called: in a chat, and in a Responses request."""


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


def in_own_words(messages: Iterable[Any]) -> None:
    """Turn the words of a task in a chat, or in the items of a Responses request, into those that
    the served model was trained with.

    Changes the contents of the messages. Other prompts are left alone, and so is a text that is
    not alone with its images.
    """
    profile = served_profile()
    if profile is None or not profile.prompts:
        return
    for message in messages:
        parts = message.get("content") if isinstance(message, Mapping) else None
        if not isinstance(parts, list) or len(parts) < 2:
            continue
        prompts = [
            part for part in parts if isinstance(part, dict) and part.get("type") in TEXT_TYPES
        ]
        task = task_of(str(prompts[0].get("text"))) if len(prompts) == 1 else None
        if task is None or task not in profile.prompts:
            continue
        words = profile.prompts[task]
        own = [{**prompts[0], "text": words}] if words else []
        images = [part for part in parts if part is not prompts[0]]
        parts[:] = [*own, *images] if profile.text_first else [*images, *own]


def needs_no_prompt() -> bool:
    """Whether the served model was trained to read an image that comes without any text."""
    profile = served_profile()
    return profile is not None and "" in profile.prompts.values()


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
