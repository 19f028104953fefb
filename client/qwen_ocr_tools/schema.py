"""The form of an answer: a pydantic model, or a JSON Schema from a file or from a caller."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from jsonschema import SchemaError
from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for
from pydantic import BaseModel, RootModel, model_validator

from qwen_ocr.errors import ConfigurationError


def load_schema(name: str) -> type[BaseModel]:
    """The model for `invoice.json` or `package.module:Model`.

    Modules are looked for in the current folder first, as `python -m` does. Raises
    `ConfigurationError` for what is not there, does not import or is neither.
    """
    module, colon, attribute = name.partition(":")
    if colon and not Path(name).exists():
        return _import(module, attribute)
    return _from_file(Path(name))


def _import(module: str, attribute: str) -> type[BaseModel]:
    sys.path.insert(0, "")
    try:
        model = getattr(importlib.import_module(module), attribute)
    except Exception as exc:  # a module can raise anything while it is imported
        raise ConfigurationError(f"--schema: cannot import {module}:{attribute} ({exc})") from exc
    finally:
        sys.path.remove("")
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ConfigurationError(f"--schema: {module}:{attribute} is not a pydantic model")
    return model


def _from_file(path: Path) -> type[BaseModel]:
    try:
        schema = json.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise ConfigurationError(f"--schema: {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigurationError(f"--schema: {path}: not JSON ({exc})") from exc
    return model_of(schema, f"--schema: {path}")


def model_of(schema: Any, name: str) -> type[BaseModel]:
    """A model that has exactly this JSON Schema, and takes exactly what is valid by it.

    Raises `ConfigurationError`, which begins with `name`, for what is no JSON Schema.
    """
    if not isinstance(schema, dict):
        raise ConfigurationError(f"{name}: a JSON Schema is an object")
    try:
        kind = validator_for(schema)
        kind.check_schema(schema)
    except SchemaError as exc:
        raise ConfigurationError(f"{name}: not a JSON Schema ({exc.message})") from exc
    validator = kind(schema)
    form: dict[str, Any] = schema

    class Answer(RootModel[Any]):
        @classmethod
        def model_json_schema(cls, *_args: Any, **_options: Any) -> dict[str, Any]:
            return form

        @model_validator(mode="after")
        def _check(self) -> "Answer":
            if error := best_match(validator.iter_errors(self.root)):
                raise ValueError(f"{error.json_path}: {error.message}")
            return self

    return Answer
