"""What reads: the server, through the client."""

from types import TracebackType
from typing import Any, Protocol, Self

from pydantic import BaseModel, Field, create_model

from qwen_ocr.batch import CONCURRENCY
from qwen_ocr.client import OCRClient
from qwen_ocr.errors import SchemaError
from qwen_ocr.prompts import DEFAULT_PROMPT
from qwen_ocr_tools.evaluation.dataset import Sample, TruthPart
from qwen_ocr_tools.evaluation.journal import Settings
from qwen_ocr_tools.evaluation.readings import Reading


class Engine(Protocol):
    """Something that reads pages, from several threads at a time."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def settings(self) -> Settings:
        """All that decides what it reads."""

    @property
    def concurrency(self) -> int:
        """Pages that it should be given at a time."""

    @property
    def tasks(self) -> tuple[TruthPart, ...]:
        """What it can be asked for."""

    def read(self, sample: Sample, task: TruthPart) -> Reading:
        """Read one page; raises `OCRError`."""


class QwenOCR:
    """The server; a context manager, because the client is one."""

    tasks: tuple[TruthPart, ...] = ("text", "fields", "boxes")

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        model: str | None = None,
        prompt: str = DEFAULT_PROMPT,
        max_image_tokens: int | None = None,
        max_tokens: int | None = None,
        concurrency: int = CONCURRENCY,
        label: str | None = None,
    ) -> None:
        """Connect. `label` is the name, the model's own if left out."""
        self._client = OCRClient(
            base_url, api_key=api_key, model=model, max_image_tokens=max_image_tokens
        )
        self._prompt = prompt
        self._max_tokens = max_tokens
        self.concurrency = concurrency
        served = self._client.served_model()
        self.name = label or served
        self.settings: Settings = {
            "model": served,
            "prompt": prompt,
            "max_image_tokens": max_image_tokens,
            "max_tokens": max_tokens,
        }

    def read(self, sample: Sample, task: TruthPart) -> Reading:
        """Read one page; what is cut off or ends in a loop is a reading, too."""
        if task == "text":
            return self._read_text(sample)
        # `extract` and `locate` give what they found, and no numbers about the answer.
        try:
            if task == "boxes":
                found = self._client.locate(sample.image(), max_tokens=self._max_tokens)
                boxes = tuple(box.box for box in found)
                return Reading(page=sample.name, task=task, boxes=boxes)
            form = form_of(sample.fields or {})
            answer = self._client.extract(sample.image(), form, max_tokens=self._max_tokens)
            return Reading(page=sample.name, task=task, fields=answer.model_dump(by_alias=True))
        except SchemaError as exc:
            return Reading(page=sample.name, task=task, text=exc.text, error=str(exc))

    def _read_text(self, sample: Sample) -> Reading:
        result = self._client.ocr(
            sample.image(),
            self._prompt,
            max_tokens=self._max_tokens,
            allow_truncated=True,
            confidence=True,
        )
        usage = result.usage
        return Reading(
            page=sample.name,
            text=result.text,
            finish_reason=result.finish_reason,
            latency=result.latency,
            attempts=result.attempts,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            confidence=result.confidence,
            warnings=result.warnings,
            words=tuple((word.text, word.confidence) for word in result.words),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()


def form_of(fields: dict[str, Any]) -> type[BaseModel]:
    """A pydantic model with the names and the nesting of `fields`; every value may be missing.

    Values are asked for as text, as they stand on the page.
    """
    columns: dict[str, Any] = {
        # Any string may name a field, but not any is an attribute of Python.
        f"field_{number}": (_type_of(value), Field(default=None, alias=name))
        for number, (name, value) in enumerate(fields.items())
    }
    return create_model("Fields", **columns)


def _type_of(value: Any) -> Any:
    if isinstance(value, dict):
        return form_of(value) | None
    if isinstance(value, list):
        return list[_type_of(value[0]) if value else str] | None  # type: ignore[misc]
    return str | None
