"""docker-compose.yml: what each profile starts, and that it starts nothing unsafe."""

import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from qwen_ocr_serve.settings import ServeSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "serve" / "deploy"
KEYS = {"QWEN_OCR_API_KEYS": "team:secret", "METRICS_KEY": "other"}
PROFILES = {
    "gpu": {"gpu"},
    "cpu": {"cpu"},
    "scale": {"replica-0", "replica-1", "balancer"},
    "observe": {"prometheus", "grafana"},
}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVERS = ("gpu", "cpu", "replica-0", "replica-1")

needs_compose = pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="there is no docker-compose"
)


def compose(
    *arguments: str, env: dict[str, str], env_file: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run docker-compose with this text as its `.env`, whatever lies in the repository."""
    with tempfile.NamedTemporaryFile("w", suffix=".env") as file:
        file.write(env_file)
        file.flush()
        return subprocess.run(
            ["docker-compose", "--env-file", file.name, *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **env},
            capture_output=True,
            text=True,
            check=False,
        )


@needs_compose
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_valid_and_starts_its_services(profile: str) -> None:
    done = compose("--profile", profile, "config", "--quiet", env=KEYS)
    assert done.returncode == 0, done.stderr
    started = {
        name for name, service in COMPOSE["services"].items() if profile in service["profiles"]
    }
    assert started == PROFILES[profile]


@needs_compose
@pytest.mark.parametrize("missing", KEYS)
def test_without_a_key_nothing_starts(missing: str) -> None:
    keys = {name: value for name, value in KEYS.items() if name != missing}
    done = compose("--profile", "cpu", "config", env=keys)
    assert done.returncode != 0
    assert missing in done.stderr


@needs_compose
def test_the_example_of_an_env_file_lacks_only_the_secrets() -> None:
    example = (DEPLOY / "example.env").read_text()
    done = compose("config", env={}, env_file=example)
    assert done.returncode != 0
    assert "put name:secret into .env" in done.stderr
    filled = example.replace("API_KEYS=\n", "API_KEYS=a:b\n").replace("_KEY=\n", "_KEY=c\n")
    assert compose("config", "--quiet", env={}, env_file=filled).returncode == 0
    assert "\nCOMPOSE_PROFILES=gpu\n" in example


def test_images_are_pinned() -> None:
    images = [service["image"] for service in COMPOSE["services"].values()]
    bases = re.findall(r"BASE_IMAGE=(\S+)", _dockerfile("cpu") + _dockerfile("gpu"))
    for image in [*images, *bases]:
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*", image), image


@pytest.mark.parametrize("name", SERVERS)
def test_servers_run_with_little(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["restart"] == "unless-stopped"
    drain = int(service["environment"]["QWEN_OCR_SHUTDOWN_TIMEOUT"])
    assert drain < int(service["stop_grace_period"].removesuffix("s"))
    assert ":?" in service["environment"]["QWEN_OCR_API_KEYS"]


def test_the_balancer_lives_as_long_as_servers_drain() -> None:
    server, balancer = COMPOSE["services"]["replica-0"], COMPOSE["services"]["balancer"]
    assert balancer["stop_grace_period"] == server["stop_grace_period"]


def test_only_the_servers_are_open_to_the_network() -> None:
    for name, service in COMPOSE["services"].items():
        for port in service.get("ports", ()):
            assert name in ("gpu", "cpu", "balancer") or port.startswith("127.0.0.1:")


def _variables(where: Any) -> set[str]:
    return set(re.findall(r"(?<!\$\{)\bQWEN_OCR_[A-Z_]+(?=[:=,}])", str(where)))


def test_every_variable_of_the_server_exists() -> None:
    known = {f"QWEN_OCR_{name.upper()}" for name in ServeSettings.model_fields}
    for path in (*DEPLOY.glob("*"), *DEPLOY.glob("kubernetes/*")):
        if path.is_file():
            assert _variables(path.read_text()) <= known, path
    for name in SERVERS:
        environment = COMPOSE["services"][name]["environment"]
        assert {key for key in environment if key.startswith("QWEN_OCR_")} <= known


def _dockerfile(kind: str) -> str:
    return (DEPLOY / f"Dockerfile.{kind}").read_text()


def test_the_images_hold_the_versions_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    makefile = (ROOT / "Makefile").read_text()
    for name in ("TORCH_CPU", "TORCHVISION", "TORCH_INDEX"):
        wanted = re.search(rf"^{name} := (\S+)", makefile, re.MULTILINE)
        assert wanted is not None
        assert f"ARG {name}={wanted.group(1)}\n" in _dockerfile("cpu")
    vllm = project["optional-dependencies"]["gpu"][0].removeprefix("vllm==")
    assert f"vllm/vllm-openai:v{vllm}\n" in _dockerfile("gpu")
    assert (
        f"vllm/vllm-openai:v{vllm}}}" in COMPOSE["services"]["gpu"]["build"]["args"]["BASE_IMAGE"]
    )
    for kind in ("cpu", "gpu"):
        assert f'image.version="{project["version"]}"' in _dockerfile(kind)
        assert COMPOSE["services"][kind]["image"] == f"qwen-ocr:{project['version']}-{kind}"


def test_containers_do_not_run_as_root() -> None:
    for kind in ("cpu", "gpu"):
        assert re.search(r"^USER 10001:10001$", _dockerfile(kind), re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_the_systemd_unit_is_valid(tmp_path: Path) -> None:
    unit = (DEPLOY / "qwen-ocr.service").read_text()
    program = tmp_path / "qwen-ocr"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / "qwen-ocr.service"
    copy.write_text(unit.replace("/opt/qwen-ocr/bin/qwen-ocr", str(program)))
    done = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
