"""`GET /v1/models` as vLLM answers it, with what each model is and was taught to do."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from qwen_ocr.profiles import tell
from qwen_ocr_serve.http.routes import GET, Route
from qwen_ocr_serve.models.profiles import served_profile

ROUTES = (Route("/v1/models", GET),)
router = APIRouter(tags=["Models and chat (OpenAI)"])


class About(BaseModel):
    """What the Python client needs to know about a model, whatever name it is served under."""

    name: str = Field(description="Its profile: how it is asked and answers.")
    family: str = Field(description="Which line of models it is of: how it takes pictures.")
    tasks: list[str] = Field(description="What it was taught; others are `unsupported_task`.")
    reads: Literal["pages", "blocks"] = Field(
        description="Whole pages in one request, or blocks of text: those of pages are found here."
    )
    image: dict[str, int | None] = Field(
        description="Pixels of a visual token's side, least and most tokens of an image, tokens "
        "that a page should have, its longest side in pixels, and to what boxes count: null for "
        "pixels of the image as resized."
    )
    prompts: dict[str, str] = Field(
        description="Its own words for a task. Prompts in the words of the Python client's `Task` "
        "are turned into these here."
    )
    output: str = Field(description="The form of its answers, as `qwen_ocr.markup` reads them.")
    text_first: bool = Field(description="Whether the prompt stands before the image.")
    temperature: float = Field(description="To sample at, where a request does not say.")
    context: int | None = Field(description="Tokens of a request, images and answer together.")


class Model(BaseModel, extra="allow"):
    """One model, as OpenAI lists it."""

    id: str
    qwen_ocr: About | None = None


class ModelList(BaseModel):
    """Answer of `GET /v1/models`."""

    object: str = "list"
    data: list[Model]


@router.get("/v1/models", summary="List the models", response_model=ModelList)
async def list_models(request: Request) -> dict[str, Any]:
    """The models that are served, first the one that answers when none is named."""
    answer = await request.app.state.openai_serving_models.show_available_models()
    content: dict[str, Any] = answer.model_dump()
    profile = served_profile()
    if profile is not None:
        about = tell(profile)
        longest = next((card.get("max_model_len") for card in content["data"]), None)
        for card in content["data"]:  # adapters have no length of their own
            context = card.get("max_model_len") or longest
            card["qwen_ocr"] = about | {"context": context}
    return content
