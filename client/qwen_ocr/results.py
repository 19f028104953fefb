"""What comes back for one image."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted by the server: the image is part of the prompt, the text is the completion."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class OCRResult:
    """The text of one image and how it came about; `str(result)` is the text."""

    text: str
    finish_reason: str
    """`"stop"` when the model ended by itself; anything else means that text is missing."""
    usage: Usage | None
    """None when the server does not count."""
    model: str
    """The name under which the server ran the model."""
    request_id: str | None
    """What to look for in the server's log; None when the server does not number its requests."""
    latency: float
    """Seconds from sending the request to its answer, the SDK's retries and waits included."""

    def __str__(self) -> str:
        return self.text
