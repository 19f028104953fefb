"""`GET /health`: whether requests can be answered."""

from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel, Field
from vllm.engine.protocol import EngineClient
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.metrics.prometheus import get_prometheus_registry

from qwen_ocr_serve.http.routes import GET, Route

ROUTES = (Route("/health", GET, key=False, error_format="own"),)
router = APIRouter(tags=["Server"])


class Health(BaseModel):
    """Answer of `GET /health`."""

    status: str = Field(description="healthy or unhealthy")
    model_loaded: bool
    model: str
    timestamp: AwareDatetime
    concurrent_requests: int = Field(description="Requests that the engine is working on.")
    max_concurrent: int = Field(description="How many it works on at a time.")
    queued: int = Field(description="Requests that wait for the engine.")


def _gauge(name: str) -> int:
    """Sum of one of vLLM's gauges over its engines; 0 when its statistics are turned off."""
    # All of the registry is hundreds of samples, too many for what is asked every few seconds.
    families = get_prometheus_registry().restricted_registry([name]).collect()
    return sum(int(sample.value) for family in families for sample in family.samples)


@router.get(
    "/health",
    summary="Ask whether the server is ready",
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
