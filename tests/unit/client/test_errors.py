"""The tree of errors is complete: for the SDK's exceptions, for HTTP, and in its drawing."""

import inspect
import json
import pickle
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx2
import openai
import pytest

import qwen_ocr
from qwen_ocr import (
    AuthenticationError,
    LowConfidenceError,
    OCRError,
    OCRResult,
    RepetitionError,
    SchemaError,
    TruncatedError,
    UnsupportedTaskError,
    errors,
)
from qwen_ocr.sdk_errors import MAX_SERVER_MESSAGE, translate_errors

REQUEST = httpx2.Request("POST", "http://localhost:8000/v1/chat/completions")
RESULT = OCRResult("half a pa", "length", None, "m", "req-1", 0.5)


def descendants(cls: type[Any]) -> Iterator[type[Any]]:
    yield cls
    for child in cls.__subclasses__():
        yield from descendants(child)


SDK_ERRORS = sorted(set(descendants(openai.OpenAIError)), key=lambda cls: cls.__name__)
OUR_ERRORS = sorted(set(descendants(OCRError)), key=lambda cls: cls.__name__)


def sdk_error(cls: type[Exception]) -> Exception:
    """An instance, made from whatever its constructor insists on."""
    available: dict[str, Any] = {
        "message": "the reason",
        "request": REQUEST,
        "response": httpx2.Response(400, request=REQUEST),
        "body": {"message": "the reason"},
        "completion": SimpleNamespace(usage=None),
        "unsent_messages": [],
    }
    names = inspect.getfullargspec(cls.__init__)
    try:
        return cls(**{n: available[n] for n in names.args[1:] + names.kwonlyargs if n in available})
    except TypeError:
        # A constructor in need of more than this, which is not what is tested here.
        error = cls.__new__(cls)
        error.args = ("the reason",)
        return error


@pytest.mark.parametrize("cls", SDK_ERRORS, ids=lambda cls: cls.__name__)
def test_every_sdk_error_becomes_one_of_ours(cls: type[Exception]) -> None:
    error = sdk_error(cls)
    with pytest.raises(OCRError) as caught, translate_errors():
        raise error
    assert caught.value.__cause__ is error
    assert str(caught.value)


def test_the_sdk_errors_were_found() -> None:
    # `isinstance` and `inspect.isclass` would load every module that the SDK loads on demand.
    classes = [value for value in vars(openai).values() if issubclass(type(value), type)]
    assert set(SDK_ERRORS) >= {cls for cls in classes if issubclass(cls, openai.OpenAIError)}
    assert openai.APITimeoutError in SDK_ERRORS


@pytest.mark.parametrize("status", range(400, 600))
def test_every_status_has_a_class_and_advice(status: int) -> None:
    response = httpx2.Response(
        status,
        request=REQUEST,
        headers={"x-request-id": "req-7"},
        content=json.dumps({"error": {"message": "the reason"}}),
    )
    client = openai.OpenAI(api_key="none", max_retries=0)
    error = client._make_status_error_from_response(response)  # noqa: SLF001 - as the SDK does
    with (
        pytest.raises(OCRError, match="the reason; request id req-7") as caught,
        translate_errors(),
    ):
        raise error
    client.close()
    assert type(caught.value) is not OCRError
    assert (caught.value.status, caught.value.request_id) == (status, "req-7")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "no such model"}, "no such model"),
        ({"detail": [{"msg": "bad"}]}, "[{'msg': 'bad'}]"),
        ("plain text", "plain text"),
        ("x" * 9000, "x" * MAX_SERVER_MESSAGE),
        ("<html>nginx</html>", None),
        ({}, None),
        (None, None),
    ],
)
def test_server_message(body: object, message: str | None) -> None:
    response = httpx2.Response(500, request=REQUEST)
    with pytest.raises(OCRError) as caught, translate_errors():
        raise openai.InternalServerError("failed", response=response, body=body)
    assert caught.value.server_message == message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"message": "m", "code": "image_too_large"}, "image_too_large"),
        ({"message": "m", "code": 400}, None),  # plain vLLM: the status again
        ({}, None),
        ("text", None),
    ],
)
def test_code(body: object, code: str | None) -> None:
    response = httpx2.Response(400, request=REQUEST)
    with pytest.raises(OCRError) as caught, translate_errors():
        raise openai.BadRequestError("failed", response=response, body=body)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("key", "code", "words"),
    [
        (None, "missing_api_key", "the server needs an API key"),
        (None, None, "the server needs an API key"),  # plain vLLM has no codes
        ("wrong", "invalid_api_key", "did not accept the API key"),
        ("wrong", None, "did not accept the API key"),
    ],
)
def test_no_key_is_not_called_a_wrong_one(
    server: Any, ask: Any, png: bytes, key: str | None, code: str | None, words: str
) -> None:
    server.answer(json.dumps({"error": {"message": "m", "code": code}}).encode(), status=401)
    with pytest.raises(AuthenticationError, match=words):
        ask(server.url, png, client={"api_key": key})
    request = server.requests[-1]
    assert request.headers.get("authorization") == (f"Bearer {key}" if key else None)


def test_what_the_server_calls_unsupported() -> None:
    response = httpx2.Response(400, request=REQUEST)
    body = {"message": "not taught 'table'", "code": "unsupported_task"}
    with pytest.raises(UnsupportedTaskError, match="not taught 'table'"), translate_errors():
        raise openai.BadRequestError("failed", response=response, body=body)


def test_an_error_within_a_stream_keeps_code_and_request_id() -> None:
    body = {"message": "m", "code": "engine_dead", "request_id": "req-9"}
    with pytest.raises(errors.ServerError, match="request id req-9") as caught, translate_errors():
        raise openai.APIError("failed", REQUEST, body=body)
    assert (caught.value.code, caught.value.request_id) == ("engine_dead", "req-9")


def test_other_exceptions_pass() -> None:
    with pytest.raises(KeyboardInterrupt), translate_errors():
        raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError), translate_errors():
        _ = 1 / 0


@pytest.mark.parametrize("cls", OUR_ERRORS, ids=lambda cls: cls.__name__)
def test_ours_are_drawn_exported_and_picklable(cls: type[OCRError]) -> None:
    assert f" {cls.__name__} " in f"{errors.__doc__}".replace("\n", " ")
    assert cls.__name__ in qwen_ocr.__all__
    of_results: dict[type[OCRError], tuple[Any, ...]] = {
        SchemaError: (RESULT, "not JSON"),
        TruncatedError: (RESULT,),
        RepetitionError: (RESULT,),
        LowConfidenceError: (RESULT, 0.5),
    }
    error = cls(*of_results[cls]) if cls in of_results else cls("why", status=418)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


def test_truncated_error_carries_the_partial_result() -> None:
    error = TruncatedError(RESULT)
    assert error.partial is RESULT
    assert "req-1" in str(error)
