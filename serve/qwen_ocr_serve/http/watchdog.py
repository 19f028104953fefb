"""Ends a server that was told to end and cannot, because its event loop hangs."""

import faulthandler
import logging
import os
import signal
import threading
import time

# Below vLLM's own logger, which has the handler and the format.
logger = logging.getLogger("vllm.qwen_ocr.http")

EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h: a supervisor sees that something was wrong."""
GRACE = 10.0
"""Seconds that the server has to end after its last request, before it is taken for hung."""


def end_when_hung(shutdown_timeout: float) -> None:
    """After SIGTERM, end the process if it has not ended by itself after so many seconds and
    `GRACE`.

    Call it after the process's own handler for SIGTERM was set: both are called. Python calls that
    handler in the main thread, between two instructions of Python, to which a thread that hangs
    never comes. faulthandler does not need that: it writes where the main thread is into a pipe,
    and another thread reads it here.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)  # a handler must not wait
    # Kept open by the handler for as long as the process lives.
    faulthandler.register(signal.SIGTERM, write, all_threads=False, chain=True)
    watch = threading.Thread(
        target=_watch, args=(read, shutdown_timeout + GRACE), name="watchdog", daemon=True
    )
    watch.start()


def _watch(pipe: int, seconds: float) -> None:
    first = os.read(pipe, 1)
    time.sleep(seconds)
    where = (first + os.read(pipe, 1 << 16)).decode("utf-8", "replace")
    logger.critical(
        "not ended %g s after SIGTERM, so it is killed. The main thread was here:\n%s",
        seconds,
        where,
    )
    os._exit(EXIT_CODE)
