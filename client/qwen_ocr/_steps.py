"""The calls of both clients, as generators that yield what to send and are sent the answer.

Nothing here does any I/O but reading images, so that blocking and asynchronous clients differ in
nothing but how they send: see `resume`.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, PydanticUserError, ValidationError

from qwen_ocr.boxes import read_spots, spot_schema, to_pixels
from qwen_ocr.errors import ConfigurationError, SchemaError, UnsupportedTaskError
from qwen_ocr.families import Family, family_of, why_unsupported
from qwen_ocr.images import ImageInput, LoadedImage, known_size, load_image, plan_page, to_url
from qwen_ocr.options import ReadOptions, check_options
from qwen_ocr.prompts import KEY_VALUE, Task, check_prompt, task_of
from qwen_ocr.repetition import REPETITION, TEMPERATURES
from qwen_ocr.requests import ChatRequest, build_request
from qwen_ocr.responses import checked, read_completion, read_models
from qwen_ocr.results import ImagePlan, OCRResult, TextBox
from qwen_ocr.schemas import closed
from qwen_ocr.settings import ClientSettings

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)


class Answer(NamedTuple):
    """What a shell got for a request, and the seconds that it waited for it."""

    response: "httpx2.Response"
    latency: float


Steps = Generator[ChatRequest | None, Answer, T]
"""Yields chat requests, or None for the list of models; is sent an `Answer` each; returns a `T`."""


@dataclass(frozen=True, slots=True)
class Finished(Generic[T]):
    """The end of `Steps`."""

    value: T


@dataclass(slots=True)
class Session:
    """What one client knows."""

    settings: ClientSettings
    model: str | None
    """The model's name, once it is known."""
    family: Family | None = None
    """The model's family, once it is known: from its name, or as the server tells it."""

    def __post_init__(self) -> None:
        if self.model is not None:
            self.family = family_of(self.model)

    def require(self, task: str | None) -> None:
        """Raise `UnsupportedTaskError` if the model is known not to have been taught this task."""
        why = why_unsupported(self.family, task) if self.family and task else None
        if why:
            raise UnsupportedTaskError(why)


def resume(steps: Steps[T], answer: Answer | None) -> ChatRequest | Finished[T] | None:
    """The next thing to send, or the end. An ended generator cannot leave a thread by itself."""
    try:
        # A generator that has not begun takes None, which its type has no way to say.
        return steps.send(answer)  # type: ignore[arg-type]
    except StopIteration as stop:
        return Finished(stop.value)


def read(
    session: Session, image: ImageInput, prompt: str, options: ReadOptions
) -> Steps[OCRResult]:
    """Read one image, again and again if the model repeats itself."""
    page = _accept(session, image, prompt, options)
    return (yield from _read(session, page, prompt, options))


def start_stream(
    session: Session, image: ImageInput, prompt: str, options: ReadOptions
) -> Steps[ChatRequest]:
    """The request for a streamed answer."""
    page = _accept(session, image, prompt, options)
    request = yield from _request(session, page, prompt, options)
    return request | {"stream_options": {"include_usage": True}}


def extract(
    session: Session,
    image: ImageInput,
    model: type[Model],
    prompt: str | None,
    options: ReadOptions,
) -> Steps[Model]:
    """Read one image into an object of `model`."""
    try:
        schema = closed(model.model_json_schema())
    except (AttributeError, PydanticUserError) as exc:
        raise ConfigurationError(f"model: {model!r} has no JSON schema ({exc})") from exc
    if prompt is None:
        prompt = Task.KEY_VALUE(schema)
    session.require(KEY_VALUE)
    page = _accept(session, image, prompt, options)
    result = yield from _read(session, page, prompt, options, schema)
    return _validate(model, result)


def locate(session: Session, image: ImageInput, options: ReadOptions) -> Steps[list[TextBox]]:
    """Read one image into lines of text with their places."""
    page = known_size(_accept(session, image, Task.SPOT, options))
    family = yield from find_family(session)
    session.require(task_of(Task.SPOT))
    sent = plan_page(page, family, session.settings.max_image_tokens)
    schema = spot_schema(family.box_range)
    result = yield from _read(session, page, Task.SPOT, options, schema)
    try:
        spots = read_spots(result.text)
    except ValueError as exc:
        raise SchemaError(result, str(exc)) from exc
    return to_pixels(spots, page.size, family.box_range or family.resized(sent.size))


def plan(session: Session, image: ImageInput) -> Steps[ImagePlan]:
    """How one image would be sent."""
    page = known_size(load_image(image))
    family = yield from find_family(session)
    return plan_page(page, family, session.settings.max_image_tokens)


def _accept(
    session: Session, image: ImageInput, prompt: str, options: ReadOptions
) -> LoadedImage | str:
    """Refuse what can be refused without a server."""
    check_prompt(prompt)
    check_options(options)
    session.require(task_of(prompt))
    return load_image(image)


def find_model(session: Session) -> Steps[str]:
    """The model that was named, or the first that the server lists."""
    if session.model is None:
        answer = yield None
        session.model, session.family = read_models(answer.response)
    return session.model


def find_family(session: Session) -> Steps[Family]:
    """The family of that model."""
    model = yield from find_model(session)
    return session.family or family_of(model)


def _request(
    session: Session,
    page: LoadedImage | str,
    prompt: str,
    options: ReadOptions,
    schema: dict[str, Any] | None = None,
) -> Steps[ChatRequest]:
    model = yield from find_model(session)
    session.require(task_of(prompt))
    session.require(KEY_VALUE if schema else None)
    family = yield from find_family(session)
    url = to_url(page, family, session.settings.max_image_tokens)
    return build_request(model, url, prompt, max_tokens=options.get("max_tokens"), schema=schema)


def _read(
    session: Session,
    page: LoadedImage | str,
    prompt: str,
    options: ReadOptions,
    schema: dict[str, Any] | None = None,
) -> Steps[OCRResult]:
    request = yield from _request(session, page, prompt, options, schema)
    waited = 0.0
    for attempts, temperature in enumerate(TEMPERATURES, 1):
        answer = yield request | {"temperature": temperature}
        waited += answer.latency
        result = replace(read_completion(answer.response, latency=waited), attempts=attempts)
        if result.finish_reason != REPETITION:
            break
    return checked(result, options)


def _validate(model: type[Model], result: OCRResult) -> Model:
    try:
        return model.model_validate_json(result.text)
    except ValidationError as exc:
        raise SchemaError(result, str(exc)) from exc
