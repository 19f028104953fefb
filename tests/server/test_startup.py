"""What is done in every process of vLLM's to make the start shorter."""

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from vllm import __version__
from vllm.platforms import current_platform

from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.launch.launcher import PLUGIN_NAME, build_launch
from qwen_ocr_serve.settings import ServeSettings
from qwen_ocr_serve.vllm_patches import ENGINE_THREADS

needs_cpu_build = pytest.mark.skipif(
    not current_platform.is_cpu(), reason="vLLM is not built for CPUs"
)
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def printed(code: str, **env: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("differs", [True, False])
def test_on_a_cpu_every_process_looks_for_garbage_less_often(differs: bool) -> None:
    env = build_launch(
        ServeSettings(), Installation(cpu=True, torchvision_differs=differs), os.environ
    ).env
    child = "import gc; print(gc.get_threshold()[0])"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert int(printed(parent, **env)) > int(printed(child))


def test_a_gpus_processes_are_pythons_own() -> None:
    env = build_launch(ServeSettings(), Installation(cpu=False, torchvision_differs=False), {}).env
    assert "PYTHONPATH" not in env


def test_vllm_finds_what_takes_its_imports_out_of_garbage_collection() -> None:
    groups = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]
    module, _, function = groups["vllm.general_plugins"][PLUGIN_NAME].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    code = (
        f"import gc; from {module} import {function} as call; call(); print(gc.get_freeze_count())"
    )
    env = build_launch(ServeSettings(), Installation.detect(), os.environ).env
    assert int(printed(code, **env)) > 1000


_PRETEND = """
import vllm
vllm.__version__ = {version!r}
from vllm.platforms import current_platform
from qwen_ocr_serve.vllm_patches.general_plugin import prepare
before = type(current_platform).check_and_update_config
prepare()
now = type(current_platform).check_and_update_config
print("replaced" if now != before else "as it was")
"""


@needs_cpu_build
@pytest.mark.parametrize(
    ("version", "outcome"), [(__version__, "replaced"), ("9.0.0", "as it was")]
)
def test_another_version_of_vllm_stays_as_it_is(version: str, outcome: str) -> None:
    env = {**os.environ, **build_launch(ServeSettings(), Installation.detect(), {}).env}
    env[ENGINE_THREADS] = "1"
    command = [sys.executable, "-c", _PRETEND.format(version=version)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == outcome
    assert ("9.0.0 stays as it is" in done.stdout + done.stderr) is (outcome == "as it was")


@pytest.mark.parametrize("patched", [True, False])
def test_the_launcher_counts_on_patches_only_where_there_are_some(patched: bool) -> None:
    installation = Installation(cpu=True, torchvision_differs=False, patched=patched)
    launch = build_launch(ServeSettings(), installation, {})
    assert (ENGINE_THREADS in launch.env) is patched
