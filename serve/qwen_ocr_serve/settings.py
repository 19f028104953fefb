"""The server's settings, each declared once: name, type, default, limits and help text.

A value comes from, in this order: a command-line argument, a `QWEN_OCR_*` environment variable,
the file `.env` in the working directory, the default.
"""

import difflib
import os
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from qwen_ocr.settings import ClientSettings

BUNDLED_MODEL_NAME = "mini"
BUNDLED_MODEL_PATH = Path(__file__).with_name(BUNDLED_MODEL_NAME)
ENV_PREFIX = "QWEN_OCR_"
ENV_FILE = Path(".env")
MAX_PIECES = 128
"""Pieces of pages that the engine works on at a time, beside other requests: as many as vLLM runs
at a time on a CPU."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:]+\]|[a-z0-9._-]+)(:\d{1,5})?")


class ServeSettings(BaseSettings):
    """What `qwen-ocr serve` can be told.

    Raises `pydantic.ValidationError` for a value out of range and for a `QWEN_OCR_*` variable
    that does not exist, so that a typing error never becomes a silently kept default.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_file=ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        # A message that quotes its input would put keys into logs.
        hide_input_in_errors=True,
    )

    model: str = Field(
        default=BUNDLED_MODEL_NAME,
        min_length=1,
        description="Hugging Face id or directory of a Qwen-VL model; 'mini' is the bundled one.",
    )
    served_model_name: str | None = Field(
        default=None,
        description="Name under which clients ask for the model; the value of --model if not set.",
    )
    profile: str | None = Field(
        default=None,
        description="How the model is asked and answers, a name that `qwen-ocr models` lists; "
        "found by the model's name and config.json if not set.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=1, le=65535, description="TCP port to listen on.")
    gpus: int = Field(default=1, ge=1, description="GPUs that share the model.")
    replicas: int = Field(
        default=1,
        ge=1,
        description="Servers on this machine, each with GPUs of its own. More than one are on the "
        "ports after --port, behind HAProxy.",
    )
    max_model_len: int | None = Field(
        default=None,
        ge=1,
        description="Longest context in tokens, image and answer together; "
        "as long as the model and the memory allow if not set.",
    )
    max_images: int = Field(default=8, ge=1, description="Images allowed in one request.")
    max_requests: int = Field(
        default=512,
        ge=1,
        description="Requests accepted at a time, running or waiting; more are answered with 503.",
    )
    api_keys: SecretStr | None = Field(
        default=None,
        description="Keys that open the server, as name:secret,name:secret. No argument, so that "
        "no key is ever seen in a list of processes.",
    )
    api_keys_file: Path | None = Field(
        default=None,
        description="File with further keys, one name:secret a line; # begins a comment.",
    )
    allow_anonymous: bool = Field(
        default=False,
        description="Listen beyond this machine although there is no key.",
    )
    max_requests_per_key: int | None = Field(
        default=None,
        ge=1,
        description="Requests that each key may have running or waiting; more are answered with "
        "429. No limit of its own if not set.",
    )
    max_body_mib: float = Field(
        default=64,
        gt=0,
        description="Largest request in MiB; larger ones are answered with 413. The default takes "
        "a document of 50 MB in JSON.",
    )
    max_inflight_mib: float = Field(
        default=512,
        gt=0,
        description="MiB of requests that the server holds at a time, those still being sent "
        "included; more are answered with 503. It takes up to four times as much memory.",
    )
    upload_dir: Path | None = Field(
        default=None,
        description="Folder for what is sent to /v1/files, which several servers may share; a "
        "temporary one if not set.",
    )
    max_uploads_mib: float = Field(
        default=512,
        gt=0,
        description="MiB of uploads that are kept, each for an hour; more are answered with 503.",
    )
    max_image_pixels: int = Field(
        default=40_000_000,
        ge=1,
        description="Largest image in pixels, judged by its header before it is decoded. The "
        "default takes an A4 page at 600 dpi.",
    )
    allowed_image_hosts: str = Field(
        default="",
        description="Hosts from which images may be fetched when a request names a URL, comma "
        "separated: name, or name:port. None by default; private addresses never.",
    )
    cors_origins: str = Field(
        default="",
        description="Origins of web pages that may call this server, comma separated, such as "
        "https://app.example.com; * for all, on a server without keys. None by default.",
    )
    body_timeout: float = Field(
        default=60, gt=0, description="Seconds that a caller may take to send a request."
    )
    request_timeout: float = Field(
        default=600,
        gt=0,
        description="Seconds that a request may take, waiting included; then it is ended with 504.",
    )
    allow_grammars: bool = Field(
        default=False,
        description="Take regular expressions, choices and grammars as structured_outputs, beside "
        "JSON Schemas. For callers that you trust.",
    )
    open_metrics: bool = Field(default=False, description="Answer /metrics without a key.")
    docs: bool = Field(default=True, description="Answer /docs and /openapi.json.")
    log_format: Literal["auto", "text", "json"] = Field(
        default="auto", description="auto is text on a terminal and JSON elsewhere."
    )
    kv_cache_gib: float | None = Field(
        default=None,
        gt=0,
        description="Memory for the key-value cache in GiB; if not set, 4 on a CPU (for the "
        "bundled model 0.5, or 1 where it computes in float32), and on a GPU what the model "
        "leaves free.",
    )
    shutdown_timeout: int = Field(
        default=30,
        ge=0,
        description="Seconds that running requests get to finish after SIGTERM.",
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_variables(cls, data: Any) -> Any:
        # The client often reads the same environment or the same .env file.
        names = {*cls.model_fields, *ClientSettings.model_fields}
        known = {ENV_PREFIX + name.upper() for name in names}
        present = {name.upper() for name in (*os.environ, *dotenv_values(ENV_FILE))}
        for name in sorted(present - known):
            if name.startswith(ENV_PREFIX):
                nearest = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0)
                raise ValueError(f"unknown variable {name}; did you mean {nearest[0]}?")
        return data

    @model_validator(mode="after")
    def _one_request_fits(self) -> Self:
        if self.max_inflight_mib < self.max_body_mib:
            raise ValueError(
                "max_inflight_mib must be at least max_body_mib: one request has to fit"
            )
        return self

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in _listed(value) - {"*"}:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin} is no origin: write scheme, host and port, as browsers do, such as "
                    "https://app.example.com or http://localhost:3000"
                )
        return value

    def variables(self) -> dict[str, str]:
        """The settings that were given, other than secrets, as `QWEN_OCR_*` variables.

        Reading these variables gives the same settings: this is how they reach the process that
        the server becomes. Secrets get there from where they came from.
        """
        given = self.model_dump(mode="json", include=self.model_fields_set - SECRET_FIELDS)
        return {
            ENV_PREFIX + name.upper(): str(value)
            for name, value in given.items()
            if value is not None
        }

    @property
    def image_hosts(self) -> frozenset[str]:
        """`allowed_image_hosts`, one by one, in lower case."""
        return _listed(self.allowed_image_hosts)

    @property
    def web_origins(self) -> frozenset[str]:
        """`cors_origins`, one by one, in lower case."""
        return _listed(self.cors_origins)

    @property
    def bundled(self) -> bool:
        """Whether the model that ships in this package is the one to serve."""
        return self.model == BUNDLED_MODEL_NAME

    @property
    def local_model(self) -> Path | None:
        """The model's directory, which may be missing; `None` for a Hugging Face id."""
        if self.bundled:
            return BUNDLED_MODEL_PATH
        path = Path(self.model).expanduser()
        return path if path.exists() or self.model.startswith((".", "/", "~")) else None


def _listed(text: str) -> frozenset[str]:
    parts = (part.strip().lower() for part in text.split(","))
    return frozenset(part for part in parts if part)


@cache
def server_settings() -> ServeSettings:
    """The settings of the server that this process is, read once."""
    return ServeSettings()


SECRET_FIELDS = frozenset({"api_keys"})
"""Settings that come from the environment or `.env` only, and are never printed."""
