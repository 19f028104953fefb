"""A fleet of servers behind a balancer, as a discrete-event simulation.

A server does what continuous batching does: all pages that run share it, and how many pages it
finishes per second depends on how many run (its curve). This is processor sharing with a rate that
depends on the state: a page of size 1 is finished when it has received one page's worth of work,
and each of n running pages receives `rate(n) / n` pages per second. Up to `max_concurrent` run,
further ones wait in order of arrival, and beyond `queue_limit` the server answers 503.

Clients wait and try again as the openai SDK does. They have no timeout here: choose a queue that
is worked off within theirs.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

import numpy as np
import simpy
from numpy.typing import NDArray
from openai._constants import INITIAL_RETRY_DELAY, MAX_RETRY_AFTER_DELAY, MAX_RETRY_DELAY

Policy = Literal["round robin", "least loaded"]
Rate = tuple[tuple[float, float], ...]
"""Points of a curve: pages at a time, pages per second."""

SDK_JITTER = 0.25
"""The SDK shortens its own waits by up to this share (`_calculate_retry_timeout`)."""
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


@dataclass(frozen=True)
class Outage:
    """A share of the servers stops, with all pages in it; each comes back empty."""

    at: float
    share: float = 0.1
    unnoticed: float = 4.0
    """Seconds for which the balancer still sends pages there, which are refused at once. Two
    health checks, 2 s apart, in `serve/deploy/haproxy/haproxy.cfg`."""
    seconds: float = math.inf


@dataclass(frozen=True)
class Scenario:
    """One run. `phases` are seconds and pages per second (Poisson), one after the other."""

    server: Server
    sizes: Sequence[float]
    """Work of pages, of mean 1; each page's is drawn from these."""
    phases: Sequence[tuple[float, float]]
    servers: int = 1
    initial: int = 0
    """Pages in each server at the beginning, half read as those of a fleet that has run for long
    are. They are not in the result."""
    policy: Policy = "least loaded"
    retries: int = 2
    retry_after: bool = True
    """Whether a 503 says when to come back."""
    redispatches: int = 2
    """Other servers that the balancer tries when one refuses the connection."""
    outage: Outage | None = None
    seed: int = 1


@dataclass(frozen=True)
class Result:
    """What became of the pages, in order of arrival; times in seconds."""

    arrived: NDArray[np.float64]
    latency: NDArray[np.float64]
    """From the first request to the whole answer; NaN for a lost page."""
    requests: int
    """Sent by clients, those that failed included."""
    refused: int
    """Of these, answered with 503."""
    broken: int
    """Of these, ended by the loss of a server, or not connected."""
    page_seconds: float
    """Integral over time of the pages in all servers."""
    duration: float
    """Until the last page was done."""

    @property
    def lost(self) -> int:
        """Pages that their clients gave up."""
        return int(np.isnan(self.latency).sum())

    def percentiles(self, start: float = 0.0, end: float = math.inf) -> tuple[float, float, float]:
        """The 50th, 95th and 99th of the latency of pages that arrived in this time."""
        chosen = self.latency[(self.arrived >= start) & (self.arrived < end)]
        p50, p95, p99 = np.nanpercentile(chosen, [50, 95, 99])
        return float(p50), float(p95), float(p99)


def retry_delay(retries_taken: int, retry_after: float | None, random: Random) -> float:
    """Seconds until the openai SDK tries again (its `_calculate_retry_timeout`)."""
    if retry_after is not None and 0 < retry_after <= MAX_RETRY_AFTER_DELAY:
        return retry_after
    delay = min(INITIAL_RETRY_DELAY * 2.0**retries_taken, MAX_RETRY_DELAY)
    return delay * (1 - SDK_JITTER * random.random())


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
        for *_, done in [*self._running, *self._waiting]:
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

    def choose(self) -> Replica | None:
        """The server for the next request; None when none is listed."""
        if self._policy == "round robin":
            for _ in self._replicas:
                self._turn = (self._turn + 1) % len(self._replicas)
                if self._replicas[self._turn].listed:
                    return self._replicas[self._turn]
            return None
        while self._heap:
            _, stamp, replica = self._heap[0]
            if stamp == self._stamps[replica] and replica.listed:
                self.note(replica)  # one that refuses is not the first choice for the next
                return replica
            heapq.heappop(self._heap)
        return None


class Fleet:
    """A scenario while it runs."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._env = simpy.Environment()
        self._random = Random(scenario.seed)
        self._balancer = Balancer(scenario.policy)
        self._replicas = [
            Replica(self._env, scenario.server, self._balancer) for _ in range(scenario.servers)
        ]
        for replica in self._replicas:
            self._balancer.add(replica)
        self._arrived: list[float] = []
        self._latency: list[float] = []
        self._requests = self._refused = self._broken = 0

    def run(self) -> Result:
        """Until every page is read or given up."""
        self._fill()
        self._env.process(self._arrivals())
        if self._scenario.outage:
            self._env.process(self._lose(self._scenario.outage))
        self._env.run()
        return Result(
            np.array(self._arrived),
            np.array(self._latency),
            self._requests,
            self._refused,
            self._broken,
            sum(replica.page_seconds for replica in self._replicas),
            float(max(np.array(self._arrived) + np.nan_to_num(self._latency), default=0.0)),
        )

    def _fill(self) -> None:
        """Put the initial pages into the servers.

        What is left of a page that is met at a random moment in processor sharing: a page met with
        a probability in proportion to its size, at a uniformly random part of it.
        """
        sizes = self._scenario.sizes
        for replica in self._replicas:
            for size in self._random.choices(sizes, weights=sizes, k=self._scenario.initial):
                replica.submit(size * self._random.random())

    def _arrivals(self) -> Generator[simpy.Event, Any, None]:
        for moment, size in self._pages():
            yield self._env.timeout(moment - self._env.now)
            self._arrived.append(moment)
            self._latency.append(math.nan)
            self._env.process(self._page(len(self._arrived) - 1, size))

    def _pages(self) -> Iterator[tuple[float, float]]:
        """Time of arrival and size of every page."""
        end = 0.0
        for seconds, rate in self._scenario.phases:
            moment, end = end, end + seconds
            while (moment := moment + self._random.expovariate(rate)) < end:
                yield moment, self._random.choice(self._scenario.sizes)

    def _page(self, number: int, size: float) -> Generator[simpy.Event, Any, None]:
        """A client with one page."""
        for retries_taken in range(self._scenario.retries + 1):
            self._requests += 1
            replica = self._connect()
            done = replica.submit(size) if replica else None
            if done is not None and (yield done):
                self._latency[number] = self._env.now - self._arrived[number]
                return
            retry_after = None
            if replica is None or done is not None:
                self._broken += 1
            else:
                self._refused += 1
                if self._scenario.retry_after:
                    retry_after = replica.retry_after(self._random)
            if retries_taken < self._scenario.retries:
                yield self._env.timeout(retry_delay(retries_taken, retry_after, self._random))

    def _connect(self) -> Replica | None:
        for _ in range(1 + self._scenario.redispatches):
            replica = self._balancer.choose()
            if replica and replica.alive:
                return replica
        return None

    def _lose(self, outage: Outage) -> Generator[simpy.Event, Any, None]:
        lost = self._replicas[: math.ceil(outage.share * len(self._replicas))]
        yield self._env.timeout(outage.at)
        for replica in lost:
            replica.stop()
        yield self._env.timeout(outage.unnoticed)
        for replica in lost:
            replica.listed = False
        if math.isfinite(outage.seconds):
            yield self._env.timeout(outage.seconds - outage.unnoticed)
            for replica in lost:
                replica.alive = replica.listed = True
                self._balancer.note(replica)


def simulate(scenario: Scenario) -> Result:
    """Run a scenario; the same seed gives the same result."""
    return Fleet(scenario).run()
