"""The calls of both clients, as generators that yield what to send and are sent the answer.

Nothing here does any I/O but reading images, so that blocking and asynchronous clients differ in
nothing but how they send: see `resume`.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, PydanticUserError, ValidationError

from qwen_ocr.boxes import read_spots, spot_schema, to_pixels
from qwen_ocr.errors import (
    ConfigurationError,
    NotFoundError,
    ResponseError,
    SchemaError,
    UnsupportedTaskError,
)
from qwen_ocr.families import why_unsupported
from qwen_ocr.images import ImageInput, LoadedImage, known_size, load_image, plan_page, to_url
from qwen_ocr.options import ReadOptions, check_options
from qwen_ocr.profiles import Profile, profile_of
from qwen_ocr.prompts import KEY_VALUE, Task, check_prompt, task_of
from qwen_ocr.repetition import REPETITION, TEMPERATURES
from qwen_ocr.requests import ChatRequest, build_request
from qwen_ocr.responses import PLAIN, Reading, checked, read_completion
from qwen_ocr.results import ImagePlan, OCRResult, TextBox
from qwen_ocr.schemas import closed
from qwen_ocr.served import read_models
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
    profile: Profile | None = None
    """How the model is asked, once the server has told it; of a server that does not, what the
    model's name tells."""

    def require(self, task: str | None) -> None:
        """Raise `UnsupportedTaskError` if the model is known not to have been taught this task."""
        why = why_unsupported(self.profile.family, task) if self.profile and task else None
        if why:
            raise UnsupportedTaskError(why)


def resume(steps: Steps[T], answer: Answer | None) -> ChatRequest | Finished[T] | None:
    """The next thing to send, or the end. An ended generator cannot leave a thread by itself."""
    try:
        # A generator that has not begun takes None, which its type has no way to say.
        return steps.send(answer)  # type: ignore[arg-type]
    except StopIteration as stop:
        return Finished(stop.value)


def fail(steps: Steps[T], error: NotFoundError) -> ChatRequest | Finished[T] | None:
    """The next thing to send after a request that failed. Raises the error if it matters."""
    try:
        return steps.throw(error)
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
    profile = yield from find_profile(session)
    session.require(task_of(Task.SPOT))
    if not profile.spots_lines():
        result = yield from _read(session, page, Task.SPOT, options)
        if not result.blocks and result.text:
            raise SchemaError(result, "no boxes in the answer")
        return [TextBox(b.text, b.box) for b in result.blocks if b.box and b.text]
    schema = spot_schema(profile.family.box_range)
    result = yield from _read(session, page, Task.SPOT, options, schema)
    try:
        spots = read_spots(result.text)
    except ValueError as exc:
        raise SchemaError(result, str(exc)) from exc
    return to_pixels(spots, page.size, _scale(session, profile, page))


def _scale(session: Session, profile: Profile, page: LoadedImage) -> int | tuple[int, int]:
    """What the model counts to over a page."""
    family = profile.family
    sent = plan_page(page, family, session.settings.max_image_tokens)
    return family.box_range or family.resized(sent.size)


def plan(session: Session, image: ImageInput) -> Steps[ImagePlan]:
    """How one image would be sent."""
    page = known_size(load_image(image))
    profile = yield from find_profile(session)
    return plan_page(page, profile.family, session.settings.max_image_tokens)


def reading_of(session: Session, page: LoadedImage | str | None, prompt: str) -> Reading:
    """How the answer to a prompt about a page becomes a result; None for a page that is gone."""
    profile = session.profile
    form = profile.form_of(prompt) if profile else None
    if profile is None or form is None or not isinstance(page, LoadedImage):
        return Reading(form)
    return Reading(form, page.size, _scale(session, profile, page))


def _accept(
    session: Session, image: ImageInput, prompt: str, options: ReadOptions
) -> LoadedImage | str:
    """Refuse what can be refused without a server."""
    check_prompt(prompt)
    check_options(options)
    session.require(task_of(prompt))
    return load_image(image)


def find_profile(session: Session) -> Steps[Profile]:
    """How the model is asked that was named, or the first that the server lists.

    Asks the server once. One that lists no models knows the name all the same.
    """
    if session.profile is None:
        try:
            answer = yield None
            session.model, session.profile = read_models(answer.response, session.model)
        except (NotFoundError, ResponseError):
            if session.model is None:
                raise
            session.profile = profile_of(session.model)
    return session.profile


def find_model(session: Session) -> Steps[str]:
    """The name of that model."""
    if session.model is None:
        yield from find_profile(session)
    assert session.model is not None, "found with the profile"
    return session.model


def _request(
    session: Session,
    page: LoadedImage | str,
    prompt: str,
    options: ReadOptions,
    schema: dict[str, Any] | None = None,
) -> Steps[ChatRequest]:
    profile = yield from find_profile(session)
    model = yield from find_model(session)
    session.require(task_of(prompt))
    session.require(KEY_VALUE if schema and prompt != Task.SPOT else None)
    url = to_url(page, profile.family, session.settings.max_image_tokens)
    max_tokens = options.get("max_tokens")
    return build_request(model, url, prompt, profile=profile, max_tokens=max_tokens, schema=schema)


def _read(
    session: Session,
    page: LoadedImage | str,
    prompt: str,
    options: ReadOptions,
    schema: dict[str, Any] | None = None,
) -> Steps[OCRResult]:
    request = yield from _request(session, page, prompt, options, schema)
    # An answer in a form of the caller's is the text itself.
    reading = PLAIN if schema else reading_of(session, page, prompt)
    first: float = request["temperature"]
    waited = 0.0
    hotter = (temperature for temperature in TEMPERATURES if temperature > first)
    for attempts, temperature in enumerate((first, *hotter), 1):
        answer = yield request | {"temperature": temperature}
        waited += answer.latency
        result = read_completion(answer.response, reading, latency=waited)
        result = replace(result, attempts=attempts)
        if result.finish_reason != REPETITION:
            break
    return checked(result, options)


def _validate(model: type[Model], result: OCRResult) -> Model:
    try:
        return model.model_validate_json(result.text)
    except ValidationError as exc:
        raise SchemaError(result, str(exc)) from exc
