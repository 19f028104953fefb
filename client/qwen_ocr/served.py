"""What a server says about the models that it serves."""

from typing import TYPE_CHECKING, Annotated

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from qwen_ocr.profiles import Profile, profile_of, told_profile
from qwen_ocr.responses import parse

if TYPE_CHECKING:
    import httpx2


class _Image(BaseModel):
    factor: Annotated[int, Field(ge=1)]
    min_tokens: Annotated[int, Field(ge=1)]
    max_tokens: Annotated[int, Field(ge=1)]
    budget: Annotated[int, Field(ge=1)]
    longest_side: Annotated[int, Field(ge=1)] | None
    rounds_up: bool = False
    box_range: Annotated[int, Field(ge=1)] | None


class _About(BaseModel):
    """What our own server adds to a model; another one may have anything under that name.

    All that is not needed may be missing, as it was in an older version.
    """

    family: str
    tasks: tuple[str, ...]
    name: str | None = None
    prompts: dict[str, str] | None = None
    output: str | None = None
    text_first: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    image: _Image | None = None


class _Model(BaseModel):
    id: str
    qwen_ocr: _About | None = None

    @field_validator("qwen_ocr", mode="wrap")
    @classmethod
    def _or_nothing(cls, value: object, handler: ValidatorFunctionWrapHandler) -> _About | None:
        try:
            about: _About | None = handler(value)
        except ValidationError:
            return None
        return about


class _ModelList(BaseModel):
    data: list[_Model] = Field(min_length=1)


def read_models(response: "httpx2.Response", model: str | None) -> tuple[str, Profile]:
    """The model of that name, or else the first that the server lists; and its profile.

    Our server says how it is asked and answers; of another's, the name has to tell.
    """
    models = parse(_ModelList, response).data
    listed = next((listed for listed in models if listed.id == model), None)
    if listed is None and model is not None:
        return model, profile_of(model)  # the server will say that it has no such model
    listed = listed or models[0]
    about = listed.qwen_ocr
    profile = told_profile(listed.id, about.model_dump()) if about else profile_of(listed.id)
    return listed.id, profile
