"""Our routes, added to vLLM's own application through an endpoint plugin.

A new route is a module here with `ROUTES` and `router`, and its name in `_MODULES`.
"""

from argparse import Namespace

from fastapi import FastAPI
from prometheus_fastapi_instrumentator.middleware import PrometheusInstrumentatorMiddleware
from starlette.datastructures import State
from starlette.routing import BaseRoute, Mount
from vllm.engine.protocol import EngineClient
from vllm.tasks import SupportedTask

from qwen_ocr_serve.api import (
    docling,
    documents,
    files,
    health,
    model_list,
    ocr,
    openai,
    openwebui,
    pages,
    web_page,
)
from qwen_ocr_serve.api.openapi import describe
from qwen_ocr_serve.http.routes import GET, Route, RouteTable
from qwen_ocr_serve.images import connector
from qwen_ocr_serve.settings import server_settings

_MODULES = (
    *(ocr, openai, documents, files, openwebui, docling),
    *(model_list, pages, health, web_page),
)
_OTHERS_ROUTES = (
    Route("/metrics", GET),
    Route("/docs", GET, key=False, documentation=True),
    Route("/openapi.json", GET, key=False, documentation=True),
    Route(r"/static/swagger-ui(-bundle\.js|\.css)", GET, key=False, documentation=True),
)
"""Of vLLM and FastAPI, as they are."""


class Routes:
    """The entry point that vLLM instantiates because the launcher names it in VLLM_PLUGINS.

    Importing this module has also registered the media connector, which vLLM asks for by name.
    """

    name = "qwen_ocr"
    required_tasks: tuple[SupportedTask, ...] | None = ("generate",)
    media_connector = connector.GuardedMediaConnector

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes, of which some replace vLLM's, and remove what only costs time.

        The middleware lets nothing through to routes that are not declared, yet every request is
        compared with each. And vLLM's HTTP instrumentation counts and times requests, as the
        middleware does too.
        """
        declared = [route for module in _MODULES for route in module.ROUTES]
        declared += _OTHERS_ROUTES
        settings = server_settings()
        app.state.ocr_routes = RouteTable(
            declared, docs=settings.docs, open_metrics=settings.open_metrics
        )
        app.router.routes[:] = [route for route in app.routes if _is_kept(route)]
        app.user_middleware[:] = [
            entry
            for entry in app.user_middleware
            if entry.cls is not PrometheusInstrumentatorMiddleware  # type: ignore[comparison-overlap]
        ]
        for module in _MODULES:
            app.include_router(module.router)
        app.title = "qwen-ocr"
        app.openapi = describe(app, declared)  # type: ignore[method-assign]  # as FastAPI's manual says

    async def init_state(
        self, engine_client: EngineClient | None, state: State, args: Namespace
    ) -> None:
        """Nothing to prepare: the handlers use what vLLM keeps in the application's state."""


def _is_kept(route: BaseRoute) -> bool:
    """Whether a route that is there already is one to keep."""
    paths = {route.path for route in _OTHERS_ROUTES}
    return isinstance(route, Mount) or getattr(route, "path", None) in paths
