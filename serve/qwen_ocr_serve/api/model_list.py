"""`GET /v1/models` as vLLM answers it, with what each model is and was taught to do."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from qwen_ocr_serve.http.routes import GET, Route
from qwen_ocr_serve.models.serving import served_family

ROUTES = (Route("/v1/models", GET),)
router = APIRouter()


class About(BaseModel):
    """What the Python client needs to know about a model, whatever name it is served under."""

    family: str = Field(description="Which line of models it is of: how it takes pictures.")
    tasks: list[str] = Field(description="What it was taught; others are `unsupported_task`.")


class Model(BaseModel, extra="allow"):
    """One model, as OpenAI lists it."""

    id: str
    qwen_ocr: About | None = None


class ModelList(BaseModel):
    """Answer of `GET /v1/models`."""

    object: str = "list"
    data: list[Model]


@router.get("/v1/models", response_model=ModelList)
async def list_models(request: Request) -> dict[str, Any]:
    """The models that are served, first the one that answers when none is named."""
    answer = await request.app.state.openai_serving_models.show_available_models()
    content: dict[str, Any] = answer.model_dump()
    family = served_family()
    if family is not None:
        for card in content["data"]:
            card["qwen_ocr"] = {"family": family.name, "tasks": list(family.tasks)}
    return content
