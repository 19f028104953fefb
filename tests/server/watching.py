"""Looks at what other callers get while a test does something to the server."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2

MOST_HEALTH = 1.0
"""Seconds that `/health` may take, whatever others do."""
MOST_OTHER = 3.0
"""Seconds that another caller's request may take longer than alone."""
_PAUSE = 0.1


@dataclass
class Waits:
    """Seconds of each answer that others got, and what was no good answer."""

    health: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    alone: float = 0.0

    def check(self) -> None:
        """Nobody waited long, and everybody was answered."""
        assert not self.wrong
        assert max(self.health) < MOST_HEALTH
        assert max(self.others) < self.alone + MOST_OTHER


@contextmanager
def others_served(base_url: str, request: dict[str, object]) -> Iterator[Waits]:
    """Ask for `/health` and send `request` again and again during the block, and check at its end.

    `request` is a chat request of another caller.
    """
    waits = Waits()
    stop = threading.Event()

    def ask(send: Callable[[httpx2.Client], httpx2.Response], found: list[float]) -> None:
        with httpx2.Client(base_url=base_url, timeout=60) as client:
            while not stop.wait(_PAUSE):
                began = time.perf_counter()
                try:
                    response = send(client)
                except httpx2.HTTPError as exc:
                    waits.wrong.append(repr(exc))
                else:
                    if response.status_code != 200:
                        waits.wrong.append(response.text)
                found.append(time.perf_counter() - began)

    def chat(client: httpx2.Client) -> httpx2.Response:
        return client.post("/v1/chat/completions", json=request)

    with httpx2.Client(base_url=base_url, timeout=60) as client:
        chat(client)
        began = time.perf_counter()
        chat(client)
        waits.alone = time.perf_counter() - began
    threads = [
        threading.Thread(target=ask, args=(lambda client: client.get("/health"), waits.health)),
        threading.Thread(target=ask, args=(chat, waits.others)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield waits
        time.sleep(3 * _PAUSE)  # what the last request left behind
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    waits.check()
