"""What to ask for: presets with the prompts that Qwen-VL was taught, where it was taught one."""

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum

from qwen_ocr.errors import PromptError

KEY_VALUE_PREFIX = "Extract the key-value information in the format:"
"""What the prompt of `Task.KEY_VALUE` begins with; its form comes next."""
KEY_VALUE = "key_value"
"""What the task of `Task.KEY_VALUE`, and of any answer in a form of the caller's, is called."""


class Task(StrEnum):
    """Ready prompts. Each is a string, and wherever one is taken, any other string is, too.

    TEXT, MARKDOWN, HTML, SPOT and the wording of KEY_VALUE are those of Qwen-VL's cookbooks. TABLE
    and FORMULA, for which those have none, are this package's own.
    """

    TEXT = "Read all the text in the image."
    MARKDOWN = "qwenvl markdown"
    HTML = "qwenvl html"
    TABLE = "Read the table in the image and output it as HTML, with nothing before or after it."
    FORMULA = "Read the formula in the image and output it as LaTeX, nothing before or after it."
    SPOT = (
        "Spotting all the text in the image with line-level, and output in JSON format as "
        "[{'bbox_2d': [x1, y1, x2, y2], 'text_content': 'text'}, ...]."
    )

    @staticmethod
    def KEY_VALUE(fields: Iterable[str] | Mapping[str, object]) -> str:  # noqa: N802 - a preset, too
        """The prompt for the values of some fields, as a JSON object.

        `fields` are names, or names with a hint or a nested form each: `{"total": "with tax"}`.
        For an answer that is checked, too, see `extract`. Raises `PromptError` for no fields, for
        one string, and for what JSON cannot hold.
        """
        if isinstance(fields, str):
            raise PromptError(f"KEY_VALUE takes several fields: write [{fields!r}]")
        form = dict(fields) if isinstance(fields, Mapping) else dict.fromkeys(fields, "")
        if not form:
            raise PromptError("KEY_VALUE without fields: name at least one")
        try:
            text = json.dumps(form, ensure_ascii=False)
        except (TypeError, ValueError) as exc:
            raise PromptError(f"KEY_VALUE takes what JSON can hold: {exc}") from exc
        return f"{KEY_VALUE_PREFIX} {text}"


DEFAULT_PROMPT = Task.TEXT
"""What is asked for when nothing is."""
TASKS = (*(task.name.lower() for task in Task), KEY_VALUE)
"""The names of all tasks, as families of models and `GET /v1/models` have them."""


def task_of(prompt: str) -> str | None:
    """Which of `TASKS` a prompt with a preset's words asks for; None for other words."""
    words = prompt.strip()
    if words.startswith(KEY_VALUE_PREFIX):
        return KEY_VALUE
    return next((task.name.lower() for task in Task if task == words), None)


def check_prompt(prompt: str) -> None:
    """Raise `PromptError` for a prompt that no server can answer, before anything is sent."""
    if not isinstance(prompt, str) or not prompt.strip():
        raise PromptError(
            "the prompt is empty: leave it out to read all the text, or say what to read"
        )
    try:
        prompt.encode()
    except UnicodeEncodeError as exc:
        raise PromptError(
            f"the prompt is not valid Unicode, so it cannot be sent: {exc.reason}"
        ) from exc
