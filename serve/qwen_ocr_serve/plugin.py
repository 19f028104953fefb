"""The routes that vLLM lacks, added to its own application through an endpoint plugin.

`POST /api/v1/ocr` is the interface of the service that this one replaces. Its requests go, in the
same process, through the handler that answers `/v1/chat/completions`, so they are validated,
scheduled, limited and measured like all others.
"""

import uuid
from argparse import Namespace
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints
from starlette.datastructures import State
from vllm.engine.protocol import EngineClient
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionRequest,
    ChatCompletionResponse,
)
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.entrypoints.serve.exception_handling.error_response import create_error_response
from vllm.entrypoints.serve.utils.api_utils import with_cancellation
from vllm.logger import init_logger
from vllm.tasks import SupportedTask
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.metrics.prometheus import get_prometheus_registry

from qwen_ocr_serve.page import routes as page

logger = init_logger(__name__)

NotBlank = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class OCRRequest(BaseModel):
    """Body of `POST /api/v1/ocr`."""

    image: NotBlank = Field(description="The image, base64, with or without a data: prefix.")
    text: NotBlank = Field(description="The prompt.")


class OCREnvelope(BaseModel):
    """Every answer of `POST /api/v1/ocr`, failures included."""

    success: bool
    data: list[str] = Field(description="One string, the text; empty after a failure.")
    message: str = Field(description="What went wrong, or why the text is incomplete.")
    timestamp: AwareDatetime
    request_id: str


class Health(BaseModel):
    """Answer of `GET /health`."""

    status: str = Field(description="healthy or unhealthy")
    model_loaded: bool
    model: str
    timestamp: AwareDatetime
    concurrent_requests: int = Field(description="Requests that the engine is working on.")
    max_concurrent: int = Field(description="How many it works on at a time.")
    queued: int = Field(description="Requests that wait for the engine.")


class Service(BaseModel):
    """Answer of `GET /`."""

    name: str
    version: str
    docs: str


def _now() -> datetime:
    return datetime.now(UTC)


def _envelope(
    request_id: str, status: int, message: str, data: list[str] | None = None
) -> JSONResponse:
    body = OCREnvelope(
        success=status == HTTPStatus.OK,
        data=data or [],
        message=message,
        timestamp=_now(),
        request_id=request_id,
    )
    return JSONResponse(body.model_dump(mode="json"), status, {"X-Request-Id": request_id})


def _request_id(request: Request) -> str:
    """The caller's `X-Request-Id`, or a new id; the same one throughout a request."""
    if not hasattr(request.state, "ocr_request_id"):
        given = request.headers.get("X-Request-Id")
        request.state.ocr_request_id = given or uuid.uuid4().hex
    return str(request.state.ocr_request_id)


class _EnvelopeRoute(APIRoute):
    """A route whose every failure, from validation to the engine's death, is an envelope."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def enveloped(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as exc:
                error = exc.errors()[0]
                where = ".".join(str(part) for part in error["loc"] if part != "body")
                status, message = HTTPStatus.UNPROCESSABLE_ENTITY.value, error["msg"]
                if where and error["type"] != "json_invalid":
                    message = f"{where}: {message}"
            except HTTPException as exc:
                status, message = exc.status_code, str(exc.detail)
            except EngineDeadError as exc:
                status, message = HTTPStatus.SERVICE_UNAVAILABLE.value, str(exc)
            except Exception as exc:
                info = create_error_response(exc).error
                status, message = info.code, info.message
                if status == HTTPStatus.INTERNAL_SERVER_ERROR:
                    logger.exception("request %s failed", _request_id(request))
            return _envelope(_request_id(request), status, message)

        return enveloped


router = APIRouter()
ocr_router = APIRouter(route_class=_EnvelopeRoute)


def _data_url(image: str) -> str:
    """The image as vLLM wants it. Line breaks, which most encoders insert, are dropped.

    The media type is not looked at: what the bytes are is decided when they are decoded.
    """
    encoded = image.partition(",")[2] if image.startswith("data:") else image
    return "data:image/png;base64," + "".join(encoded.split())


_INCOMPLETE = {
    "length": "incomplete: the model's context was full before the text ended",
    "repetition": "incomplete: stopped because the text began to repeat itself",
}


@ocr_router.post(
    "/api/v1/ocr",
    response_model=None,
    responses={
        status.value: {"model": OCREnvelope}
        for status in (
            HTTPStatus.OK,
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            HTTPStatus.SERVICE_UNAVAILABLE,
        )
    },
)
@with_cancellation  # type: ignore[untyped-decorator]  # vLLM leaves it without types
async def read_image(body: OCRRequest, raw_request: Request) -> JSONResponse:
    """Read the text of one image."""
    request_id = _request_id(raw_request)
    content = [
        {"type": "image_url", "image_url": {"url": _data_url(body.image)}},
        {"type": "text", "text": body.text},
    ]
    chat = ChatCompletionRequest.model_validate(
        {
            "messages": [{"role": "user", "content": content}],
            "temperature": 0.0,
            "request_id": request_id,
        }
    )
    answer = await raw_request.app.state.openai_serving_chat.create_chat_completion(
        chat, raw_request
    )
    if isinstance(answer, ErrorResponse):
        return _envelope(request_id, answer.error.code, answer.error.message)
    assert isinstance(answer, ChatCompletionResponse), "not a streaming request"
    choice = answer.choices[0]
    message = _INCOMPLETE.get(choice.finish_reason or "", "")
    return _envelope(request_id, HTTPStatus.OK, message, [choice.message.content or ""])


def _gauge(name: str) -> int:
    """Sum of one of vLLM's gauges over its engines; 0 when its statistics are turned off."""
    return sum(
        int(sample.value)
        for family in get_prometheus_registry().collect()
        if family.name == name
        for sample in family.samples
    )


@router.get(
    "/health",
    response_model=Health,
    responses={HTTPStatus.SERVICE_UNAVAILABLE.value: {"model": Health}},
)
async def health(request: Request, response: Response) -> Health:
    """Whether requests can be answered, and how busy the engine is."""
    engine: EngineClient = request.app.state.engine_client
    try:
        await engine.check_health()
    except EngineDeadError:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    alive = response.status_code != HTTPStatus.SERVICE_UNAVAILABLE
    return Health(
        status="healthy" if alive else "unhealthy",
        model_loaded=alive,
        model=request.app.state.openai_serving_models.base_model_paths[0].name,
        timestamp=_now(),
        concurrent_requests=_gauge("vllm:num_requests_running"),
        max_concurrent=engine.vllm_config.scheduler_config.max_num_seqs,
        queued=_gauge("vllm:num_requests_waiting"),
    )


@router.get("/", response_model=Service)
async def service(request: Request) -> Service | Response:
    """What this is, and where its documentation is; to a browser, the web page."""
    if page.wants_html(request):
        return await page.index(request)
    return Service(name="qwen-ocr", version=version("qwen-ocr"), docs="/docs")


class Routes:
    """The entry point that vLLM instantiates because the launcher names it in VLLM_PLUGINS."""

    name = "qwen_ocr"
    required_tasks: tuple[SupportedTask, ...] | None = ("generate",)

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes; vLLM lets them replace its own `/health`."""
        app.include_router(ocr_router)
        app.include_router(router)
        app.include_router(page.router)

    async def init_state(
        self, engine_client: EngineClient | None, state: State, args: Namespace
    ) -> None:
        """Nothing to prepare: the handlers use what vLLM keeps in the application's state."""
