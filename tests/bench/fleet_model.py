"""A fleet of servers behind a balancer, and its clients, as a discrete-event simulation.

Clients wait and try again as the openai SDK does. They have no timeout here: choose a queue that
is worked off within theirs.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import simpy
from fleet_server import Balancer, Policy, Replica, Server
from numpy.typing import NDArray
from openai._constants import INITIAL_RETRY_DELAY, MAX_RETRY_AFTER_DELAY, MAX_RETRY_DELAY

SDK_JITTER = 0.25
"""The SDK shortens its own waits by up to this share (`_calculate_retry_timeout`)."""


@dataclass(frozen=True)
class Outage:
    """A share of the servers stops, with all pages in it; each comes back empty."""

    at: float
    share: float = 0.1
    unnoticed: float = 4.0
    """Seconds for which the balancer still sends pages there, which are refused at once. Two
    health checks, 2 s apart, in `serve/qwen_ocr_serve/haproxy.cfg`."""
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
        """The server that takes the connection; as HAProxy, never the same one twice in a row."""
        replica = None
        for _ in range(1 + self._scenario.redispatches):
            replica = self._balancer.choose(avoid=replica)
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
