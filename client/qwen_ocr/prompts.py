"""The prompts that Qwen-VL was taught for reading documents."""

from qwen_ocr.errors import PromptError

DEFAULT_PROMPT = "Read all the text in the image."
"""The plain-text prompt of Qwen-VL's own cookbooks."""


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
