"""The log line and the metrics of each request. Neither ever holds a key, a prompt or an image."""

import logging

from prometheus_client import Counter, Histogram

# Below vLLM's own logger, which has the handler and the format.
logger = logging.getLogger("vllm.qwen_ocr.http")

_REQUESTS = Counter(
    "qwen_ocr_requests",
    "Requests by route, name of the key, HTTP status and error code.",
    ["route", "key", "status", "code"],
)
_SECONDS = Histogram(
    "qwen_ocr_request_seconds",
    "Seconds from the first byte of a request to the last of its answer.",
    ["route"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)

_QUIET = frozenset({"/health", "/metrics"})
"""Asked every few seconds by machines: logged only when they fail."""


def finished(
    *,
    request_id: str,
    method: str,
    route: str | None,
    path: str,
    key_name: str | None,
    status: int,
    code: str,
    seconds: float,
) -> None:
    """Count a request and log it. `route` is `None` for a path that does not exist."""
    # A path that somebody made up must not become a new time series each time.
    _REQUESTS.labels(route or "none", key_name or "", str(status), code).inc()
    if route is not None:
        _SECONDS.labels(route).observe(seconds)
    if route in _QUIET and status < 400:
        return
    fields = {
        "request_id": request_id,
        "method": method,
        "path": path,
        "key": key_name,
        "status": status,
        "code": code or None,
        "seconds": round(seconds, 4),
    }
    # The fields are attributes of the record as well: a JSON formatter writes each by its name.
    words = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
    level = logging.ERROR if status >= 500 and status != 503 else logging.INFO
    logger.log(level, "%s", words, extra=fields)
