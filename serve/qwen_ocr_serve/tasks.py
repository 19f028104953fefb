"""What the served model was not taught is refused before it costs anything.

A model that reads plain text only answers a question for a table, for boxes or for a form with
minutes of nonsense. Which models were taught what is in the client's table, `qwen_ocr.families`.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

from qwen_ocr.families import Family, why_unsupported
from qwen_ocr.prompts import KEY_VALUE, task_of
from qwen_ocr_serve import models
from qwen_ocr_serve.guard.exchange import current
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


def refuse_chat(request: ChatCompletionRequest) -> None:
    """Refuse a chat request for such a task, or for an answer in a form of the caller's."""
    tasks = [task_of(text) for text in _texts(request.messages)]
    if _wants_form(request):
        tasks.append(KEY_VALUE)
    _refuse(tasks, HTTPStatus.BAD_REQUEST)


def _refuse(tasks: Iterable[str | None], status: HTTPStatus) -> None:
    family = served_family()
    for task in tasks:
        why = why_unsupported(family, task) if family and task else None
        if why:
            exchange = current.get()
            if exchange is not None:
                exchange.problem = Problem(status.value, CODE, why)
            raise HTTPException(status, why)


def _wants_form(request: ChatCompletionRequest) -> bool:
    form = request.response_format
    return bool(
        (form is not None and form.type != "text")
        or request.structured_outputs is not None
        or request.tools
    )


def _texts(messages: Iterable[Any]) -> Iterator[str]:
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            text = part.get("text") if isinstance(part, dict) else part
            if isinstance(text, str):
                yield text
