"""How to reach the server: arguments first, then `QWEN_OCR_*` variables, then these defaults."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from qwen_ocr.errors import ConfigurationError


def _server_root(url: str) -> str:
    root = url.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    parts = urlsplit(root)
    # `port` raises for a port that is not a number up to 65535.
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("not a server's address, such as http://localhost:8000")
    if parts.username or parts.password:
        # It would appear in error messages, and the API key takes its place in the request anyway.
        raise ValueError("a user or password in the address; use the API key instead")
    return root


def _header_safe(key: SecretStr) -> SecretStr:
    value = key.get_secret_value().strip()
    if not (value.isascii() and value.isprintable()):
        raise ValueError("a key is printable ASCII text")
    return SecretStr(value)


class ClientSettings(BaseSettings):
    """Each field is the variable `QWEN_OCR_<NAME>`, and an argument of the clients, where
    `served_model_name` is called `model`."""

    model_config = SettingsConfigDict(
        env_prefix="QWEN_OCR_",
        env_ignore_empty=True,
        frozen=True,
        # A message that quotes its input would put keys into logs.
        hide_input_in_errors=True,
    )

    base_url: Annotated[str, AfterValidator(_server_root)] = Field(
        "http://localhost:8000", description="The server's root, with or without /v1."
    )
    api_key: Annotated[SecretStr, AfterValidator(_header_safe)] | None = Field(
        None, description="Sent as a bearer token."
    )
    served_model_name: str | None = Field(
        None,
        description="The name under which the server has the model; the first that it lists when "
        "unset.",
    )
    timeout: float = Field(
        600, gt=0, description="Seconds to wait for one attempt, queueing included."
    )
    max_retries: int = Field(
        2, ge=0, description="Further attempts after a broken connection, 408, 409, 429 or 5xx."
    )
    max_image_tokens: int | None = Field(
        None,
        ge=1,
        description="Visual tokens an image may cost, within what the model takes; larger images "
        "are shrunk to it. The model family's budget when unset.",
    )

    @classmethod
    def load(cls, **arguments: object) -> Self:
        """Settings from the arguments that are not None, then the environment.

        Raises `ConfigurationError` naming every setting that makes no sense.
        """
        try:
            return cls(**{k: v for k, v in arguments.items() if v is not None})  # type: ignore[arg-type]
        except ValidationError as exc:
            problems = "; ".join(
                f"{name} (or QWEN_OCR_{name.upper()}): {error['msg'].removeprefix('Value error, ')}"
                for error in exc.errors()
                for name in [error["loc"][0]]
                if isinstance(name, str)
            )
            raise ConfigurationError(problems) from exc
