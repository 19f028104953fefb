"""What middleware and plugin cost: `python tests/bench/middleware_cost.py`, or `make bench`.

Two servers of the same vLLM get the same requests, with the same flags and the same model. One is
started as `qwen-ocr serve` starts it. The other, "plain", has neither our middleware nor our
endpoint plugin nor our media connector, and writes uvicorn's log line for each request in the place
of ours. Both run at the same time, so that other load on the machine slows both alike. Single
requests alternate between the two. Of concurrent requests, each server gets as many as the other,
while the other is stopped for a moment.

The server that was started first is the slower one, even if both are of the same kind. So several
pairs are started, in changing order, and the mean of all counts. Concurrent requests of the same
length may all end at the same moment during a whole round. The engine then has nothing to do until
the next ones come, which makes such a round up to 5 % slower, on either side. So each pair has many
short rounds.

Prints the median milliseconds of a request and requests per second, the differences with their
standard errors over pairs and rounds, machine and versions; exits with 1 when a limit is missed.
"""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import httpx2
import report
from load import chat, run
from turns import take_turns

from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.launch.launcher import build_launch
from qwen_ocr_serve.launch.local_server import START_TIMEOUT, free_port
from qwen_ocr_serve.settings import ServeSettings

PAGE = Path(__file__).parents[1] / "samples" / "receipt.png"
PAIRS = 6
SINGLES = 80
"""Single requests, of one token, to each server of a pair."""
CONCURRENCY = 32
ROUNDS = 5
"""Rounds of concurrent requests for each pair."""
BATCH = 512
"""Concurrent requests to each server in a round."""
MAX_EXTRA_MS = 1.0
"""Limit for the median of single requests, in milliseconds more than plain vLLM."""
MIN_THROUGHPUT = 0.98
"""Limit for concurrent requests, as a share of plain vLLM's."""

OUR_FLAGS = {"--middleware": 2, "--disable-uvicorn-access-log": 1}
"""And how many words each takes."""
OUR_VARIABLES = ("VLLM_PLUGINS", "VLLM_MEDIA_CONNECTOR")


@contextlib.contextmanager
def server(*, plain: bool) -> Iterator[tuple[str, int]]:
    """Start a server and give its root and its process; it is stopped at the end."""
    port = free_port()
    launch = build_launch(ServeSettings(port=port), Installation.detect(), os.environ)
    argv, env = launch.argv, launch.env
    if plain:
        for flag, words in OUR_FLAGS.items():
            where = argv.index(flag)
            argv = argv[:where] + argv[where + words :]
        env = {name: value for name, value in env.items() if name not in OUR_VARIABLES}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
            start_new_session=True,
        )
        try:
            root = f"http://127.0.0.1:{port}"
            wait_until_ready(process, root)
            yield root, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_until_ready(process: subprocess.Popen[bytes], root: str) -> None:
    """Block until the server answers; both kinds answer `/health`."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"a server ended with {process.returncode}")
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"{root}/health").status_code == 200:
                return
        time.sleep(0.3)
    raise SystemExit(f"a server was not ready after {START_TIMEOUT:.0f} s")


def one_by_one(roots: list[str]) -> list[float]:
    """Median milliseconds of a request, for each server."""
    call = chat("mini", PAGE.read_bytes(), 1)
    taken: list[list[float]] = [[] for _ in roots]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(httpx2.Client(base_url=root, timeout=120)) for root in roots]
        for _ in range(SINGLES):
            for client, seconds in zip(clients, taken, strict=True):
                started = time.perf_counter()
                client.post(call.path, json=call.body).raise_for_status()
                seconds.append(time.perf_counter() - started)
    # The first requests also warm up what is built at first use.
    return [statistics.median(seconds[5:]) * 1000 for seconds in taken]


def at_once(servers: list[tuple[str, int]]) -> Iterator[list[float]]:
    """Requests per second in each round, for each server, told by its root and its process."""
    call = chat("mini", PAGE.read_bytes(), 40)

    def load_on(root: str, count: int, clock: Callable[[], float]) -> float:
        load = run(root, [call] * count, CONCURRENCY, clock=clock)
        if load.failed:
            raise SystemExit(f"{load.failed} of {count} requests to {root} failed")
        return load.pages_per_second

    for root, _ in servers:
        load_on(root, 4 * CONCURRENCY, time.perf_counter)  # warms up
    works = [partial(load_on, root, BATCH) for root, _ in servers]
    for _ in range(ROUNDS):
        yield take_turns([process for _, process in servers], works)


def measure() -> tuple[list[list[float]], list[list[float]]]:
    """Milliseconds of each pair, requests per second of each round: ours, and plain."""
    latencies: list[list[float]] = []
    rates: list[list[float]] = []
    for pair in range(PAIRS):
        first = pair % 2 == 0
        with server(plain=not first) as one, server(plain=first) as other:
            servers = [one, other] if first else [other, one]
            latencies.append(one_by_one([root for root, _ in servers]))
            rates.extend(at_once(servers))
    return latencies, rates


def cells(figures: Sequence[float]) -> str:
    """Mean, least and most."""
    mean, *ends = map(report.rounded, (statistics.mean(figures), min(figures), max(figures)))
    return f"{mean} ({' to '.join(ends)})"


def main() -> int:
    """Print the report; 0 when both limits are kept."""
    # SIGTERM unwinds like Ctrl-C, so that no server is left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    latencies, rates = measure()
    latency, plain_latency = zip(*latencies, strict=True)
    rate, plain_rate = zip(*rates, strict=True)
    extra, extra_error = report.mean_and_error([a - b for a, b in latencies])
    share, share_error = report.mean_and_error([a / b for a, b in rates])
    latency_kept, rate_kept = extra <= MAX_EXTRA_MS, share >= MIN_THROUGHPUT
    header = ("what", "ours", "plain vLLM", "difference", "limit", "kept")
    rows = [
        (
            "one request, median ms",
            cells(latency),
            cells(plain_latency),
            f"{extra:+.2f} ± {extra_error:.2f}",
            f"at most {MAX_EXTRA_MS} more",
            latency_kept,
        ),
        (
            f"{CONCURRENCY} at once, requests/s",
            cells(rate),
            cells(plain_rate),
            f"x {share:.3f} ± {share_error:.3f}",
            f"at least {MIN_THROUGHPUT} of it",
            rate_kept,
        ),
    ]
    report.show("middleware and plugin beside plain vLLM", header, rows)
    report.show_circumstances()
    return 0 if latency_kept and rate_kept else 1


if __name__ == "__main__":
    sys.exit(main())
