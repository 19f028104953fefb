"""Several servers on one machine: their commands, HAProxy's part, and what keeps them running.

The servers that the supervisor looks after here are small programs in the place of ours, because
ours cannot be made to fail at will, and take long to start. `tests/server/test_replicas.py` has
real ones.
"""

import asyncio
import json
import logging
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.machine import consecutive_ports, group_exists, needs_vllm
from typer.testing import CliRunner

from qwen_ocr_serve.cli.app import app
from qwen_ocr_serve.launch import machine
from qwen_ocr_serve.launch.installation import Installation, LaunchError
from qwen_ocr_serve.launch.launcher import Launch
from qwen_ocr_serve.launch.own_log import log_as
from qwen_ocr_serve.replicas import balancer, supervisor
from qwen_ocr_serve.replicas import run as replicas
from qwen_ocr_serve.replicas.child import Child
from qwen_ocr_serve.replicas.supervisor import Supervisor, pause_after
from qwen_ocr_serve.settings import ServeSettings

CPU = Installation(cpu=True, torchvision_differs=False)
GPU = Installation(cpu=False, torchvision_differs=False)
HAPROXY = os.environ["PATH"] + ":/usr/sbin"

needs_haproxy = pytest.mark.skipif(
    not any((Path(folder) / "haproxy").exists() for folder in HAPROXY.split(":")),
    reason="haproxy is not installed",
)


def argument(launch: Launch, flag: str) -> str:
    return launch.argv[launch.argv.index(flag) + 1]


def test_each_server_has_a_port_of_its_own_on_this_machine() -> None:
    settings = ServeSettings(replicas=3, host="0.0.0.0", port=9000, max_images=2)
    fleet = replicas.build_fleet(settings, CPU, {}, ["--seed", "1"])
    assert [argument(server, "--port") for server in fleet.servers] == ["9001", "9002", "9003"]
    for server in fleet.servers:
        assert argument(server, "--host") == "127.0.0.1"
        assert argument(server, "--limit-mm-per-prompt") == '{"image": 2, "video": 0}'
        assert server.argv[-2:] == ["--seed", "1"]
        assert "CUDA_VISIBLE_DEVICES" not in server.env


@pytest.mark.parametrize(
    ("visible", "gpus", "expected"),
    [
        (None, 1, ["0", "1"]),
        (None, 2, ["0,1", "2,3"]),
        ("", 1, ["0", "1"]),
        ("3,5", 1, ["3", "5"]),
        ("GPU-a,GPU-b,GPU-c,GPU-d,GPU-e", 2, ["GPU-a,GPU-b", "GPU-c,GPU-d"]),
    ],
)
def test_each_server_has_gpus_of_its_own(
    visible: str | None, gpus: int, expected: list[str]
) -> None:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    fleet = replicas.build_fleet(ServeSettings(replicas=2, gpus=gpus), GPU, environ)
    assert [server.env["CUDA_VISIBLE_DEVICES"] for server in fleet.servers] == expected


def test_too_few_gpus_are_told() -> None:
    settings = ServeSettings(replicas=2, gpus=2)
    with pytest.raises(LaunchError, match="need 4 GPUs and there are 3"):
        replicas.build_fleet(settings, GPU, {"CUDA_VISIBLE_DEVICES": "0,1,2"})


def test_what_makes_no_sense_with_replicas_is_refused() -> None:
    with pytest.raises(LaunchError, match="--ssl-keyfile cannot be given with --replicas"):
        replicas.build_fleet(ServeSettings(replicas=2), CPU, {}, ["--ssl-keyfile=x"])
    with pytest.raises(LaunchError, match="ports up to 65537: choose a lower --port"):
        replicas.build_fleet(ServeSettings(replicas=2, port=65535), CPU, {})
    with pytest.raises(LaunchError, match="--host cannot be given to vLLM"):
        replicas.build_fleet(ServeSettings(replicas=2), CPU, {}, ["--host", "::"])


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as people run it, because it takes over the process."""
    return subprocess.run(
        [sys.executable, "-m", "qwen_ocr_serve.cli", "serve", "--replicas", "2", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


@needs_vllm
@needs_haproxy
def test_taken_ports_and_missing_keys_are_refused_at_once() -> None:
    port = consecutive_ports(3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 2))
        taken.listen()
        line = refusal(serve("--port", str(port)))
        assert f"cannot listen on 127.0.0.1:{port + 2}: Address already in use; the servers" in line
        line = refusal(serve("--port", str(port + 2)))
        assert line.endswith(f"cannot listen on 127.0.0.1:{port + 2}: Address already in use")
    assert "there is no key" in refusal(serve("--host", "0.0.0.0", "--port", str(port)))


@needs_haproxy
def test_gpus_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "gpu_memories", lambda: [24.0])
    fleet = replicas.build_fleet(ServeSettings(replicas=2, port=consecutive_ports(3)), GPU, {})
    with pytest.raises(LaunchError, match="need 2 GPUs and there are 1"):
        fleet.execute()


def test_haproxy_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(balancer, "_SYSTEM_PROGRAMS", str(tmp_path))
    with pytest.raises(LaunchError, match=r"needs HAProxy 2\.6.*apt-get install haproxy"):
        balancer.launch(ServeSettings(replicas=2), tmp_path, {"PATH": str(tmp_path)})


@needs_vllm
@needs_haproxy
def test_dry_run_prints_the_commands_and_the_servers() -> None:
    arguments = ["serve", "--replicas", "2", "--port", "9000", "--dry-run"]
    result = CliRunner().invoke(app, arguments, env={"QWEN_OCR_API_KEYS": "alice:wonder"})
    assert result.exit_code == 0, result.output
    assert "wonder" not in result.output
    *commands, servers_file = result.stdout.split("\n\n")
    first, second, haproxy = (shlex.split(part.replace("\\\n", " ")) for part in commands)
    assert "9001" in first
    assert "9002" in second
    assert "BALANCER_BIND=127.0.0.1:9000" in haproxy
    assert haproxy[-2:] == ["-f", "FOLDER/servers.cfg"]
    assert "server replica-0 127.0.0.1:9001\n" in servers_file


@needs_haproxy
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::", "", "0.0.0.0", "localhost"])
def test_haproxy_takes_its_configuration(host: str, tmp_path: Path) -> None:
    settings = ServeSettings(replicas=3, host=host, request_timeout=0.5, model='a "b" \'%[x]')
    (tmp_path / balancer.SERVERS_FILE).write_text(balancer.servers_file(settings, tmp_path) + "\n")
    balancer.check(balancer.launch(settings, tmp_path, os.environ))


@needs_haproxy
def test_what_haproxy_objects_to_is_told(tmp_path: Path) -> None:
    (tmp_path / balancer.SERVERS_FILE).write_text("nonsense\n")
    with pytest.raises(LaunchError, match=r"HAProxy.*does not start: .*nonsense"):
        balancer.check(balancer.launch(ServeSettings(), tmp_path, os.environ))


def test_pauses_grow_up_to_a_minute() -> None:
    assert [pause_after(ends) for ends in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_log_has_one_form(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("qwen_ocr")
    before = logger.handlers[:]
    try:
        log_as("json")
        supervisor.log.error('%s "ended"', "replica-0")
    finally:
        logger.handlers[:] = before
    line = json.loads(capsys.readouterr().out)
    assert (line["levelname"], line["message"]) == ("ERROR", 'replica-0 "ended"')


ANSWERS = """
import http.server, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *words):
        pass
count = pathlib.Path(sys.argv[2])
starts = len(count.read_text()) + 1 if count.exists() else 1
count.write_text("x" * starts)
if starts > int(sys.argv[3]):
    raise SystemExit(3)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # nothing else tells
            await asyncio.sleep(0.05)


class Programs:
    """A supervisor with HAProxy and small programs, and what there is to see of it."""

    def __init__(self, folder: Path, good_starts: tuple[int, ...]) -> None:
        # Programs that end at once after this many starts.
        port = consecutive_ports(len(good_starts) + 1)
        settings = ServeSettings(replicas=len(good_starts), port=port, shutdown_timeout=1)
        servers = balancer.servers_file(settings, folder) + "\n"
        # A server that is ready is seen soon: HAProxy's own file lets two seconds go by.
        servers = re.sub(r"(127\.0\.0\.1:\d+)", r"\1 inter 100ms", servers)
        (folder / balancer.SERVERS_FILE).write_text(servers)
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}/health"
        launches = [
            Launch(
                [
                    *(sys.executable, "-c", ANSWERS, str(port + 1 + index)),
                    *(str(folder / str(index)), str(good)),
                ],
                {},
            )
            for index, good in enumerate(good_starts)
        ]
        self.supervisor = Supervisor(
            launches, balancer.launch(settings, folder, os.environ), balancer.Control(folder), 1
        )

    def starts(self, index: int) -> int:
        count = self.folder / str(index)
        return len(count.read_text()) if count.exists() else 0

    async def until(self, caplog: pytest.LogCaptureFixture, pattern: str, times: int = 1) -> None:
        await eventually(lambda: len(re.findall(pattern, caplog.text)) >= times)


@asynccontextmanager
async def running(programs: Programs) -> AsyncIterator["asyncio.Task[int]"]:
    """Run until the block ends, by SIGTERM if it has not ended by then."""
    run = asyncio.create_task(programs.supervisor.run())
    try:
        yield run
    finally:
        if not run.done():
            os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(60):
            await run


@needs_haproxy
async def test_a_server_that_ends_again_and_again_leaves_the_others_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(supervisor, "_LONGEST_PAUSE", 0.2)
    programs = Programs(tmp_path, (9, 0))
    async with running(programs) as run:
        await programs.until(caplog, r"replica-1 ended with 3; it is started again in 0\.2 s", 3)
        assert _status(programs.url) == 200
    assert run.result() == 0, caplog.text
    assert programs.starts(0) == 1


@needs_haproxy
async def test_a_first_server_that_cannot_start_ends_everything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    programs = Programs(tmp_path, (0, 9))
    async with running(programs) as run, asyncio.timeout(60):
        assert await run == 1
    assert "replica-0 ended before it was ready" in caplog.text
    assert programs.starts(1) == 0


@needs_haproxy
async def test_a_rolling_restart_stops_at_a_server_that_does_not_come_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    programs = Programs(tmp_path, (9, 1, 9))
    async with running(programs) as run:
        await programs.until(caplog, r"replica-\d is ready", 3)
        os.kill(os.getpid(), signal.SIGHUP)
        await programs.until(caplog, "replica-1 does not come back: the others are not restarted")
        assert (programs.starts(0), programs.starts(2)) == (2, 1)
    assert run.result() == 0, caplog.text


@needs_haproxy
async def test_a_balancer_that_dies_is_started_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    programs = Programs(tmp_path, (9, 9))
    async with running(programs) as run:
        await programs.until(caplog, r"replica-\d is ready", 2)
        [(pid)] = re.findall(r"balancer started as process (\d+)", caplog.text)
        os.kill(int(pid), signal.SIGKILL)
        await programs.until(caplog, "balancer started as process", 2)
        await eventually(lambda: _status(programs.url) == 200)
    assert run.result() == 0, caplog.text
    assert (programs.starts(0), programs.starts(1)) == (1, 1)


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as exc:
        return exc.code
    except urllib.error.URLError:
        return 0


async def test_an_answer_that_breaks_off_is_a_broken_connection(tmp_path: Path) -> None:
    # HAProxy cannot be made to die at that moment: something else listens on its socket.
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"# pxname,svname\nservers,repl")
        writer.close()

    listener = await asyncio.start_unix_server(half, tmp_path / balancer.CONTROL_SOCKET)
    async with listener:
        control = balancer.Control(tmp_path)
        with pytest.raises(OSError, match="in the middle"):
            await control.state("replica-0")
    with pytest.raises(OSError, match=r"\[Errno"):
        await control.retire("replica-0")


async def test_a_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    deaf = f"trap '' TERM; touch {tmp_path}/deaf; sleep 60; sleep 60"
    child = Child("stubborn", Launch(["/bin/sh", "-c", deaf], {}))
    pid = child.start()
    await eventually((tmp_path / "deaf").exists)
    assert await child.end(signal.SIGTERM, 0.1) is False
    assert not child.running
    await eventually(lambda: not group_exists(pid))


async def test_what_a_dead_process_leaves_behind_is_killed() -> None:
    child = Child("parent", Launch(["/bin/sh", "-c", "sleep 60 & exit 7"], {}))
    pid = child.start()
    assert await child.ended() == 7
    await eventually(lambda: not group_exists(pid))


def test_processes_end_with_the_one_that_looks_after_them() -> None:
    program = (
        "import os, signal\n"
        "from qwen_ocr_serve.replicas.child import Child\n"
        "from qwen_ocr_serve.launch.launcher import Launch\n"
        "Child('sleep', Launch(['/bin/sleep', '60'], {})).start()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # Its output ends when the last process that could write there has.
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, timeout=30)
    assert done.returncode == -signal.SIGKILL
