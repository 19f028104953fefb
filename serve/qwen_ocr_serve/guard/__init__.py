"""What stands between the network and vLLM: one ASGI middleware, and its parts.

    middleware   the order of things: route, key, limits, body, the application, the answer
    routes       which routes exist, and which of them need a key
    limits       how many requests at a time, how large and how slow a body may be
    garbage      frees what requests leave behind, by its size
    exchange     one request and its answer: its id, its deadline, its errors
    problems     every refusal: its status, its stable code, its words
    observe      the log line and the metrics of each request

vLLM finds the middleware by its name, `--middleware qwen_ocr_serve.guard.Guard`.
"""

from qwen_ocr_serve.guard.middleware import Guard

__all__ = ["Guard"]
