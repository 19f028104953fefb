"""The simulated fleet against queueing theory, the real SDK and the real guard."""

import json
import math
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import fleet
import httpx2
import numpy as np
import openai
import pytest
import simpy
from fleet_inputs import MEASURED_SHAPE, InputError, page_sizes, server_rate
from fleet_model import Outage, Scenario, retry_delay, simulate
from fleet_server import Balancer, Policy, Replica, Server

from qwen_ocr_serve.guard.limits import Queue

ENDLESS = 10**9
EXPONENTIAL = [-math.log(1 - (n + 0.5) / 20_000) for n in range(20_000)]
FIXED = [1.0]
# A mixture of many small and few large pages, with a squared coefficient of variation of 5.05.
MIXED = [0.5] * 9 + [5.5]


def one_by_one(servers: int, *, queue_limit: int = ENDLESS) -> Server:
    """A server with so many lines, each of which reads one page per second."""
    return Server(((servers, float(servers)),), servers, queue_limit)


def shared(queue_limit: int = ENDLESS) -> Server:
    """A server that reads one page per second in all, however many are there."""
    return Server(((1, 1.0),), 10_000, queue_limit)


def erlang_c(lines: int, load: float) -> float:
    """Probability that a page has to wait in M/M/c (Erlang 1917), from Erlang B by recursion."""
    offered = lines * load
    blocked = 1.0
    for n in range(1, lines + 1):
        blocked = offered * blocked / (n + offered * blocked)
    return blocked / (1 - load * (1 - blocked))


@pytest.mark.parametrize(("lines", "load"), [(1, 0.5), (4, 0.6), (16, 0.8)])
def test_waiting_in_m_m_c(lines: int, load: float) -> None:
    """Within three standard errors, at the load that came."""
    seconds = 15_000 / (lines * load)
    scenario = Scenario(one_by_one(lines), EXPONENTIAL, [(seconds, lines * load)])
    runs = [simulate(replace(scenario, seed=seed)) for seed in range(8)]
    waited = [run.latency.mean() - 1 for run in runs]
    rate = sum(len(run.arrived) for run in runs) / (len(runs) * seconds)
    expected = erlang_c(lines, rate / lines) / (lines - rate)
    error = np.std(waited, ddof=1) / math.sqrt(len(runs))
    assert error < 0.1 * expected
    assert np.mean(waited) == pytest.approx(expected, abs=3 * error)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_waiting_in_m_d_1(load: float) -> None:
    """Pollaczek and Khinchine: half the wait of M/M/1."""
    waited = simulate(Scenario(one_by_one(1), FIXED, [(50_000 / load, load)])).latency.mean() - 1
    assert waited == pytest.approx(load / (2 * (1 - load)), rel=0.05)


@pytest.mark.parametrize("sizes", [FIXED, EXPONENTIAL, MIXED], ids=["fixed", "exp", "mixed"])
def test_processor_sharing_does_not_care_for_the_distribution(sizes: list[float]) -> None:
    """M/G/1-PS: a mean latency of 1 / (1 - load), whatever the sizes."""
    result = simulate(Scenario(shared(), sizes, [(80_000, 0.6)]))
    assert result.latency.mean() == pytest.approx(1 / 0.4, rel=0.06)


@pytest.mark.parametrize("load", [0.8, 2.0])
def test_refusals_of_m_m_1_k(load: float) -> None:
    limit = 5
    server = one_by_one(1, queue_limit=limit)
    result = simulate(Scenario(server, EXPONENTIAL, [(40_000 / load, load)], retries=0))
    expected = (1 - load) * load**limit / (1 - load ** (limit + 1))
    assert result.lost == result.refused
    assert result.lost / len(result.latency) == pytest.approx(expected, rel=0.05)


def test_littles_law() -> None:
    """Page seconds that the servers count are those that the pages count, queues included."""
    server = Server(MEASURED_SHAPE, 64, ENDLESS)
    result = simulate(Scenario(server, page_sizes(None), [(3000, 2.7)], servers=3))
    assert result.page_seconds == pytest.approx(result.latency.sum(), rel=1e-9)
    assert result.lost == result.refused == result.broken == 0


def test_a_fleet_begins_as_it_goes_on() -> None:
    server = Server(MEASURED_SHAPE, 64, ENDLESS)
    scenario = Scenario(server, page_sizes(None), [(4000, 7.0)], servers=10)
    start = simulate(fleet.filled(scenario, 0.7))
    early, late = start.percentiles(0, 100), start.percentiles(1000, 3500)
    assert early == pytest.approx(late, rel=0.1)
    # Little's law again: pages in each server = rate · latency.
    assert server.pages_at(0.7) == pytest.approx(0.7 * np.nanmean(start.latency), rel=0.1)
    assert simulate(scenario).percentiles(0, 20)[2] < 0.8 * late[2]


def test_a_lone_page_takes_its_work_by_the_curve() -> None:
    server = Server(((1, 0.25), (4, 0.5)), 4, ENDLESS)
    result = simulate(Scenario(server, FIXED, [(40_000, 0.001)]))
    assert np.median(result.latency) == pytest.approx(4.0)
    assert server.table() == pytest.approx([0, 0.25, 1 / 3, 5 / 12, 0.5])


def test_least_loaded_beats_round_robin() -> None:
    base = Scenario(one_by_one(1), EXPONENTIAL, [(5000, 8.0)], servers=10)
    policies: tuple[Policy, ...] = ("least loaded", "round robin")
    least, robin = (simulate(replace(base, policy=p)).percentiles()[1] for p in policies)
    assert least < 0.6 * robin


def test_a_seed_is_a_run() -> None:
    scenario = Scenario(one_by_one(2), EXPONENTIAL, [(500, 1.5)])
    first, again, other = (simulate(replace(scenario, seed=seed)).latency for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[:100], other[:100])


@pytest.mark.parametrize("advice", [None, 7.0, 119.0, 121.0])
def test_clients_wait_as_the_sdk_does(
    monkeypatch: pytest.MonkeyPatch, advice: float | None
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    headers = {"retry-after": str(advice)} if advice else {}
    refuse = httpx2.MockTransport(lambda _: httpx2.Response(503, headers=headers, json={}))
    with (
        httpx2.Client(transport=refuse) as http,
        pytest.raises(openai.InternalServerError),
    ):
        openai.OpenAI(
            base_url="http://server/v1", api_key="none", max_retries=8, http_client=http
        ).models.list()
    if advice == 121.0:  # beyond what the SDK waits for: it gives up
        assert waits == []
        return
    bounds = Random(1)
    for retries_taken, wait in enumerate(waits):
        ours = [retry_delay(retries_taken, advice, bounds) for _ in range(500)]
        assert min(ours) * 0.995 <= wait <= max(ours) * 1.005
    assert len(waits) == 8


def test_servers_advise_as_the_guard_does(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    queue = Queue(1000, None)
    env = simpy.Environment()
    replica = Replica(env, Server(((1, 2.0),), 1, 1000), Balancer("round robin"))
    random = Random(1)
    with ExitStack() as places:
        for _ in range(60):
            places.enter_context(queue.place(None))
            replica.submit(1.0)
        for _ in range(300):
            with queue.place(None):
                now += 0.5
        ours = {replica.retry_after(random) for _ in range(2000)}
        assert ours == {queue.retry_after() for _ in range(2000)}
    assert (min(ours), max(ours)) == (11, 20)


def lossy(**changes: Any) -> Scenario:
    server = Server(MEASURED_SHAPE, 64, 512)
    base = Scenario(server, page_sizes(None), [(400, 16.0)], servers=20)
    return fleet.filled(replace(base, **{"outage": Outage(at=100, seconds=200)} | changes), 0.8)


@pytest.mark.parametrize("policy", fleet.POLICIES)
def test_a_tenth_of_the_fleet_is_lost_and_no_page(policy: Policy) -> None:
    kept = simulate(lossy(policy=policy, retries=8))
    assert kept.broken > 0
    assert kept.lost == 0
    before, within = kept.percentiles(0, 40), kept.percentiles(100, 200)
    assert within[1] > before[1]


def test_without_retries_the_pages_in_lost_servers_are_lost() -> None:
    result = simulate(lossy(retries=0, policy="round robin", redispatches=1))
    # Two servers in twenty, each with the pages that keep it 80 % busy; a few are initial ones.
    inside = 2 * lossy().server.pages_at(0.8)
    assert 0.7 * inside < result.lost < 1.3 * inside
    lost = result.arrived[np.isnan(result.latency)]
    assert lost.max() <= 100 + Outage(at=100).unnoticed


def test_a_server_that_refuses_draws_everything_to_itself() -> None:
    blind = simulate(lossy(retries=2, redispatches=0))
    seen = simulate(lossy(retries=2, redispatches=0, outage=Outage(100, unnoticed=0, seconds=200)))
    # Whatever arrives more than the SDK's 1.5 s of waiting before the balancer notices.
    assert blind.lost > 16.0
    assert seen.lost == 0


def test_a_lost_server_comes_back() -> None:
    for policy in fleet.POLICIES:
        scenario = lossy(policy=policy, servers=1, phases=[(400, 0.5)], retries=8)
        outage = Outage(at=100, share=1.0, seconds=60)
        result = simulate(replace(scenario, outage=outage))
        gone = np.isnan(result.latency)
        assert gone.any()  # a batch does not wait for a minute
        assert result.arrived[gone].max() < 160
        assert not gone[result.arrived > 160].any()


def test_retry_after_saves_pages() -> None:
    server = Server(((1, 1.0),), 1, 20)
    scenario = Scenario(server, FIXED, [(40, 8.0), (120, 0.8)], servers=4, retries=3)
    told, untold = (simulate(replace(scenario, retry_after=told)) for told in (True, False))
    assert told.lost < 0.7 * untold.lost
    assert told.requests < untold.requests


def test_sizes_have_a_mean_of_one(tmp_path: Path) -> None:
    assert np.mean(page_sizes(None)) == pytest.approx(1)
    assert len(set(page_sizes(None))) > 50
    numbers = tmp_path / "seconds.json"
    numbers.write_text("[1.0, 3.0]")
    assert page_sizes(numbers) == [0.5, 1.5]
    rows: list[Any] = [{"settings": {}}, {"latency": 2.0}, {"error": "E"}, {"seconds": 6}]
    numbers.write_text("\n".join(map(json.dumps, rows)))
    assert page_sizes(numbers) == [0.5, 1.5]


@pytest.mark.parametrize("text", ["", "[]", "[0.0, 1.0]", "no JSON", '{"a": 1}', '["x"]', "[[1]]"])
def test_files_without_seconds(tmp_path: Path, text: str) -> None:
    path = tmp_path / "seconds.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"seconds\.json"):
        page_sizes(path)


def test_a_measured_curve(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    rows = [[16, 9.0, 1.7], [1, 3.0, 0.3], [8, 10.0, 0.8]]
    path.write_text(json.dumps({"growth": {"result": {"concurrency": rows}}}))
    assert server_rate(path, None) == ((1, 3.0), (8, 10.0))
    assert server_rate(path, 5.0) == ((1, 1.5), (8, 5.0))
    assert server_rate(None, 2.0)[-1] == (64, 2.0)
    for broken in ("{}", "no JSON", '{"growth": {"result": {"concurrency": [[1, 0]]}}}'):
        path.write_text(broken)
        with pytest.raises(InputError, match=r"bench\.json"):
            server_rate(path, None)


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "fleet.py load loss --servers 2 --pages 300 --seed 7 --plot p.png --json r.json"
    monkeypatch.setattr("sys.argv", words.split())
    monkeypatch.chdir(tmp_path)
    assert fleet.main() == 0
    output = capsys.readouterr().out
    assert "seed 7, 2 servers, each 1.44 pages/s" in output
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    kept = json.loads((tmp_path / "r.json").read_text())
    assert set(kept) == {"load", "loss", "transient"}
    assert len(kept["load"]["result"]["rows"]) == len(fleet.LOADS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nonsense", "no such section: nonsense"),
        ("--capacity 1.44", "--capacity and --price go together"),
        ("--servers 0", "--servers: 0 is not above 0"),
        ("load --pages-per-second 0.5", "set --queue-limit to 300 or less"),
        ("load --seconds none.json", "none.json"),
    ],
)
def test_wrong_usage(
    words: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["fleet.py", *words.split()])
    with pytest.raises(SystemExit) as exit_code:
        fleet.main()
    assert exit_code.value.code == 2
    assert message in capsys.readouterr().err
