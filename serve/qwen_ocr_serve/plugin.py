"""The routes that vLLM lacks, added to its own application through an endpoint plugin."""

from argparse import Namespace
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_fastapi_instrumentator.middleware import PrometheusInstrumentatorMiddleware
from pydantic import AwareDatetime, BaseModel, Field
from starlette.datastructures import State
from starlette.routing import Mount
from vllm.engine.protocol import EngineClient
from vllm.tasks import SupportedTask
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.metrics.prometheus import get_prometheus_registry

from qwen_ocr_serve import media, ocr_route, openai_routes
from qwen_ocr_serve.api import model_list
from qwen_ocr_serve.guard.exchange import current
from qwen_ocr_serve.guard.problems import Problem
from qwen_ocr_serve.openapi import describe, is_listed
from qwen_ocr_serve.page import routes as page

router = APIRouter()


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
    docs: str | None


def _gauge(name: str) -> int:
    """Sum of one of vLLM's gauges over its engines; 0 when its statistics are turned off."""
    # All of the registry is hundreds of samples, too many for what is asked every few seconds.
    families = get_prometheus_registry().restricted_registry([name]).collect()
    return sum(int(sample.value) for family in families for sample in family.samples)


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
        timestamp=datetime.now(UTC),
        concurrent_requests=_gauge("vllm:num_requests_running"),
        max_concurrent=engine.vllm_config.scheduler_config.max_num_seqs,
        queued=_gauge("vllm:num_requests_waiting"),
    )


@router.get("/", response_model=Service)
async def service(request: Request) -> Service | Response:
    """What this is, and where its documentation is; to a browser, the web page."""
    if page.wants_html(request):
        return await page.index(request)
    docs = "/docs" if request.app.openapi_url else None
    return Service(name="qwen-ocr", version=version("qwen-ocr"), docs=docs)


async def _refuse(request: Request, problem: Exception) -> Response:
    """Leave a problem that a route raised to the guard, which answers in the route's own form."""
    exchange = current.get()
    assert exchange is not None, "the guard is outermost"
    assert isinstance(problem, Problem), "registered for this class"
    exchange.problem = problem
    return Response(status_code=problem.status)


class Routes:
    """The entry point that vLLM instantiates because the launcher names it in VLLM_PLUGINS.

    Importing this module has also registered the media connector, which vLLM asks for by name.
    """

    name = "qwen_ocr"
    required_tasks: tuple[SupportedTask, ...] | None = ("generate",)
    media_connector = media.GuardedMediaConnector

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes, of which some replace vLLM's, and remove what only costs time.

        The guard lets nothing through to routes that are not listed, yet every request is compared
        with each. And vLLM's HTTP instrumentation counts and times requests, as the guard does too.
        """
        app.router.routes[:] = [
            route for route in app.routes if isinstance(route, Mount) or is_listed(route)
        ]
        app.user_middleware[:] = [
            entry
            for entry in app.user_middleware
            if entry.cls is not PrometheusInstrumentatorMiddleware  # type: ignore[comparison-overlap]
        ]
        own = (ocr_route.router, openai_routes.router, model_list.router, router, page.router)
        for routes in own:
            app.include_router(routes)
        app.add_exception_handler(Problem, _refuse)
        app.title = "qwen-ocr"
        app.openapi = describe(app)  # type: ignore[method-assign]  # as FastAPI's manual says

    async def init_state(
        self, engine_client: EngineClient | None, state: State, args: Namespace
    ) -> None:
        """Nothing to prepare: the handlers use what vLLM keeps in the application's state."""
