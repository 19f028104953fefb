"""A span for each request, around those of the engine, in the trace that the caller began.

vLLM sends spans to a collector with its `--otlp-traces-endpoint`, and sets OpenTelemetry up in this
process; without that flag, nothing here costs or sends anything.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_TRACER = trace.get_tracer("qwen_ocr")
_PROPAGATOR = TraceContextTextMapPropagator()


@contextmanager
def request_span(headers: Mapping[str, str]) -> Iterator[trace.Span]:
    """The span of a request, current in its task and in those that begin there."""
    with _TRACER.start_as_current_span(
        "request",
        context=_PROPAGATOR.extract(headers),
        kind=trace.SpanKind.SERVER,
        # The text of an exception may hold parts of a page.
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def describe(
    span: trace.Span,
    *,
    method: str,
    route: str,
    status: int,
    request_id: str,
    key_name: str | None,
    code: str,
) -> None:
    """Name a span that is about to end, in the words of OpenTelemetry's conventions."""
    span.update_name(f"{method} {route}")
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
        "qwen_ocr.request_id": request_id,
        "qwen_ocr.key": key_name or "",
        "error.type": code,
    }
    span.set_attributes({name: value for name, value in attributes.items() if value != ""})
    if status >= 500:
        span.set_status(trace.StatusCode.ERROR)


def trace_headers() -> list[tuple[bytes, bytes]]:
    """The headers that make the current span the parent of what is asked for; none without one."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return [(name.encode(), value.encode()) for name, value in carrier.items()]
