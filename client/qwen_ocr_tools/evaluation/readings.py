"""What an engine made of a page."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from qwen_ocr_tools.evaluation.dataset import TruthPart

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""


class Reading(BaseModel):
    """The answer to one task for one page: a line of the journal."""

    model_config = ConfigDict(frozen=True)

    page: str
    """The sample's name."""
    task: TruthPart = "text"
    text: str = ""
    fields: dict[str, Any] | None = None
    boxes: tuple[Box, ...] | None = None
    finish_reason: str = "stop"
    """As `OCRResult`'s."""
    error: str | None = None
    """Why there is no answer: the page then counts as if nothing had been read."""
    latency: float = 0.0
    """Seconds."""
    attempts: int = 1
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    confidence: float | None = None
    """As `OCRResult`'s; None for engines that have none."""
    warnings: tuple[str, ...] = ()
    """As `OCRResult`'s."""
    words: tuple[tuple[str, float], ...] = ()
    """Each word with its confidence, 0 to 1."""
    digest: str = ""
    """Of the picture, see `Sample.digest`."""
    session: str = ""
    """When the run that read it began."""
    at: float = 0.0
    """Seconds from that to when it was read."""
