"""Looks at what other callers get while a test does something to the server.

They are a process of their own, this module as a program, so that what the test itself has to do,
hundreds of megabytes at times, does not count as waiting.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

MOST_HEALTH = 1.0
"""Seconds that `/health` may take, whatever others do."""
MOST_OTHER = 3.0
"""Seconds that another caller's request may take longer than alone."""
_PAUSE = 0.1


@contextmanager
def others_served(base_url: str, request: dict[str, object]) -> Iterator[None]:
    """Ask for `/health` and send `request` again and again during the block, and check at its end.

    `request` is a chat request of another caller.
    """
    command = [sys.executable, __file__, base_url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        try:
            yield
            time.sleep(3 * _PAUSE)  # what the last request left behind
        finally:
            process.stdin.close()
        waits: dict[str, Any] = json.loads(process.stdout.read())
    assert not waits["wrong"]
    assert max(waits["health"]) < MOST_HEALTH
    assert max(waits["others"]) < waits["alone"] + MOST_OTHER


def main() -> None:
    """Ask until standard input ends, and then print how long each answer took."""
    base_url, request = sys.argv[1], json.loads(sys.stdin.readline())
    health: list[float] = []
    others: list[float] = []
    wrong: list[str] = []
    stop = threading.Event()

    def ask(send: Callable[[httpx2.Client], httpx2.Response], found: list[float]) -> None:
        with httpx2.Client(base_url=base_url, timeout=60) as client:
            while not stop.wait(_PAUSE):
                began = time.perf_counter()
                try:
                    response = send(client)
                except httpx2.HTTPError as exc:
                    wrong.append(repr(exc))
                else:
                    if response.status_code != 200:
                        wrong.append(response.text)
                found.append(time.perf_counter() - began)

    def chat(client: httpx2.Client) -> httpx2.Response:
        return client.post("/v1/chat/completions", json=request)

    with httpx2.Client(base_url=base_url, timeout=60) as client:
        chat(client)
        began = time.perf_counter()
        chat(client)
        alone = time.perf_counter() - began
    threads = [
        threading.Thread(target=ask, args=(lambda client: client.get("/health"), health)),
        threading.Thread(target=ask, args=(chat, others)),
    ]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"alone": alone, "health": health, "others": others, "wrong": wrong}))


if __name__ == "__main__":
    main()
