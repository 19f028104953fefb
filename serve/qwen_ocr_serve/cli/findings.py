"""What the checks of `qwen-ocr doctor` look at, and what they find."""

from dataclasses import dataclass
from enum import StrEnum

from qwen_ocr_serve.settings import ServeSettings


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    level: Level
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What the checks look at."""

    settings: ServeSettings
    server_url: str | None = None
    """A server that is meant to run already; None to look only at what this machine could start."""
    api_key: str | None = None
