"""A server and a balancer in a discrete-event simulation.

A server does what continuous batching does: all pages that run share it, and how many pages it
finishes per second depends on how many run (its curve). This is processor sharing with a rate that
depends on the state: a page of size 1 is finished when it has received one page's worth of work,
and each of n running pages receives `rate(n) / n` pages per second. Up to `max_concurrent` run,
further ones wait in order of arrival, and beyond `queue_limit` the server answers 503.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np
import simpy

Policy = Literal["round robin", "least loaded"]
Rate = tuple[tuple[float, float], ...]
"""Points of a curve: pages at a time, pages per second."""

LONGEST_WAIT = 60
SCATTER = (0.67, 1.33)
"""Bounds of what the server's guard advises in `Retry-After` (`qwen_ocr_serve.guard.limits`)."""


@dataclass(frozen=True)
class Server:
    """What one server can do."""

    rate: Rate
    """Rising in both; proportional below the first point, constant beyond the last."""
    max_concurrent: int
    queue_limit: int
    """Pages accepted at a time, running or waiting."""

    def pages_at(self, load: float) -> int:
        """Pages at a time with which a server keeps up with this share of its capacity."""
        rates = self.table()
        return next(n for n, rate in enumerate(rates) if rate >= load * rates[-1])

    def table(self) -> list[float]:
        """Pages per second for 0, 1, … `max_concurrent` pages at a time."""
        numbers, rates = zip((0.0, 0.0), *self.rate, strict=True)
        return [float(np.interp(n, numbers, rates)) for n in range(self.max_concurrent + 1)]

    @property
    def capacity(self) -> float:
        """Pages per second when full."""
        return self.table()[-1]


class Replica:
    """A server at work."""

    def __init__(self, env: simpy.Environment, server: Server, balancer: Balancer) -> None:
        self._env = env
        self._server = server
        self._balancer = balancer
        rates = server.table()
        self._share = [0.0, *(rate / n for n, rate in enumerate(rates[1:], 1))]
        self._running: list[tuple[float, int, simpy.Event]] = []
        self._waiting: deque[tuple[float, simpy.Event]] = deque()
        self._order = itertools.count()
        # The work that each page has received which has run since the beginning: a page of size s
        # that starts at v is finished at v + s, however often the pace changes in between.
        self._received = 0.0
        self._updated = env.now
        self._timer: simpy.Event | None = None
        self.page_seconds = 0.0
        self.alive = True
        self.listed = True
        """Whether the balancer takes it for alive."""

    @property
    def pages(self) -> int:
        """Pages that are here, running or waiting."""
        return len(self._running) + len(self._waiting)

    def submit(self, size: float) -> simpy.Event | None:
        """Take a page; the event tells whether it was read. None if the queue is full."""
        if self.pages >= self._server.queue_limit:
            return None
        self._advance()
        done = self._env.event()
        if len(self._running) < self._server.max_concurrent:
            self._start(size, done)
            self._set_timer()
        else:
            self._waiting.append((size, done))
        self._balancer.note(self)
        return done

    def retry_after(self, random: Random) -> float:
        """What the guard advises, with the true pace in place of its moving mean."""
        seconds = self.pages / self._server.capacity / 2 * random.uniform(*SCATTER)
        return min(max(math.ceil(seconds), 1), LONGEST_WAIT)

    def stop(self) -> None:
        """Lose every page that is here."""
        self._advance()
        self.alive = False
        inside = [done for _, _, done in self._running] + [done for _, done in self._waiting]
        for done in inside:
            done.succeed(False)
        self._running.clear()
        self._waiting.clear()
        self._timer = None
        self._balancer.note(self)

    def _advance(self) -> None:
        elapsed = self._env.now - self._updated
        self._received += elapsed * self._share[len(self._running)]
        self.page_seconds += elapsed * self.pages
        self._updated = self._env.now

    def _start(self, size: float, done: simpy.Event) -> None:
        heapq.heappush(self._running, (self._received + size, next(self._order), done))

    def _set_timer(self) -> None:
        """Wake up when the next page is finished, unless the pace changes before."""
        self._timer = None
        if self._running:
            work = max(self._running[0][0] - self._received, 0.0)
            self._timer = self._env.timeout(work / self._share[len(self._running)])
            self._timer.callbacks.append(self._finish)

    def _finish(self, timer: simpy.Event) -> None:
        if timer is not self._timer:
            return
        self._advance()
        finished, _, done = heapq.heappop(self._running)
        self._received = max(self._received, finished)  # rounding must not leave it behind
        done.succeed(True)
        if self._waiting:
            self._start(*self._waiting.popleft())
        self._set_timer()
        self._balancer.note(self)


class Balancer:
    """Chooses a server for each request; it knows how many requests each has, no more."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._replicas: list[Replica] = []
        self._turn = -1
        # Least loaded first, of equals the one that has been so for longest. Entries whose stamp is
        # not the newest of their server are out of date, and dropped when they come up.
        self._heap: list[tuple[int, int, Replica]] = []
        self._stamps: dict[Replica, int] = {}
        self._clock = itertools.count()

    def add(self, replica: Replica) -> None:
        """A further server."""
        self._replicas.append(replica)
        self.note(replica)

    def note(self, replica: Replica) -> None:
        """The server's load has changed."""
        if self._policy == "least loaded":
            stamp = self._stamps[replica] = next(self._clock)
            heapq.heappush(self._heap, (replica.pages, stamp, replica))

    def choose(self, avoid: Replica | None = None) -> Replica | None:
        """The server for the next request, another than `avoid`; None when none is listed."""
        if self._policy == "round robin":
            return self._next_in_turn(avoid)
        chosen = self._least_loaded(avoid)
        for replica in (avoid, chosen):
            if replica:
                self.note(replica)  # back, but not as the first choice among equals
        return chosen

    def _next_in_turn(self, avoid: Replica | None) -> Replica | None:
        for _ in self._replicas:
            self._turn = (self._turn + 1) % len(self._replicas)
            replica = self._replicas[self._turn]
            if replica.listed and replica is not avoid:
                return replica
        return None

    def _least_loaded(self, avoid: Replica | None) -> Replica | None:
        while self._heap:
            _, stamp, replica = heapq.heappop(self._heap)
            if stamp == self._stamps[replica] and replica.listed and replica is not avoid:
                return replica
        return None
