"""One trace from the caller to the engine, at a collector that takes what vLLM sends."""

import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from qwen_ocr_serve.launch.local_server import LocalServer

SAMPLES = Path(__file__).parents[1] / "samples"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "mine-1"}


class Collector:
    """Keeps the spans that come by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        spans.extend(scope.spans)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing: tests read their own output."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1/traces"

    def wait(self, trace: str, name: str) -> list[Any]:
        """The spans of a trace, once one of this name is there: it ends last."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = [span for span in self.spans if span.trace_id.hex() == trace]
            if any(span.name == name for span in found):
                return found
            time.sleep(0.1)
        raise AssertionError(f"no span {name} among {[span.name for span in self.spans]}")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    found = Collector()
    threading.Thread(target=found.http.serve_forever, daemon=True).start()
    yield found
    found.http.shutdown()
    found.http.server_close()


@pytest.fixture(scope="module")
def traced(
    tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[httpx2.Client]:
    """A client of a server that sends its spans to the collector."""
    log = tmp_path_factory.mktemp("traces") / "log"
    environment = {
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    flags = ["--", "--otlp-traces-endpoint", collector.url]
    with LocalServer(log, flags, environment) as server:
        server.wait_until_ready()
        with httpx2.Client(base_url=server.base_url, timeout=60) as client:
            yield client


def attributes(span: Any) -> dict[str, Any]:
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}


@pytest.mark.parametrize("route", ["/api/v1/ocr", "/v1/ocr"])
def test_a_request_and_its_work_in_the_engine_are_one_trace(
    traced: httpx2.Client, collector: Collector, route: str
) -> None:
    sample, field = ("receipt.pdf", "file") if route == "/v1/ocr" else ("line.png", "image")
    trace = TRACE if route == "/v1/ocr" else TRACE[::-1]
    headers = {**CALLER, "traceparent": f"00-{trace}-{PARENT}-01"}
    files = {field: (SAMPLES / sample).read_bytes()}
    assert traced.post(route, files=files, headers=headers).status_code == 200
    spans = collector.wait(trace, f"POST {route}")
    (ours,) = [span for span in spans if span.name == f"POST {route}"]
    assert ours.parent_span_id.hex() == PARENT
    about = attributes(ours)
    assert about["qwen_ocr.request_id"] == "mine-1"
    assert about["http.response.status_code"] == 200
    engine = [span for span in collector.wait(trace, "llm_request") if span is not ours]
    assert engine
    for span in engine:
        assert span.name == "llm_request"
        assert span.parent_span_id == ours.span_id
        assert ours.start_time_unix_nano <= span.start_time_unix_nano + 10**7


def test_a_refused_request_has_a_span_with_its_code(
    traced: httpx2.Client, collector: Collector
) -> None:
    trace = "1" * 32
    headers = {"traceparent": f"00-{trace}-{PARENT}-01"}
    assert traced.post("/api/v1/ocr", json={}, headers=headers).status_code == 422
    (span,) = collector.wait(trace, "POST /api/v1/ocr")
    assert attributes(span)["error.type"] == "invalid_request"
    # Without a trace of the caller, one begins here.
    traced.get("/v1/models")
    deadline = time.monotonic() + 30
    while not any(span.name == "GET /v1/models" for span in collector.spans):
        assert time.monotonic() < deadline
        time.sleep(0.1)
