"""What stands between the network and vLLM: one ASGI middleware, and its parts.

    middleware     the steps of a request: route, key, limits, body, the application, the answer
    routes         what a route is: its path, its methods, whether it needs a key
    keys           who may call
    limits         how many requests at a time, how large and how slow a body may be
    garbage        frees what requests leave behind, by its size
    context        one request and its answer: its id, its deadline, its errors
    errors         every refusal: its status, its stable code, its words
    error_formats  how an error is shown
    vllm_errors    vLLM's own errors as ours
    observe        the log line and the metrics of each request
    traces         the span of each request, for vLLM's OpenTelemetry
    watchdog       ends a server that hangs

Nothing is imported here: the launcher reads keys, and needs nothing of the rest.
"""
