"""What is done in every process of vLLM's to make the start shorter."""

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from qwen_ocr_serve.installation import Installation
from qwen_ocr_serve.launcher import PLUGIN_NAME, plan
from qwen_ocr_serve.settings import ServeSettings

PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def printed(code: str, **env: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("differs", [True, False])
def test_on_a_cpu_every_process_looks_for_garbage_less_often(differs: bool) -> None:
    env = plan(ServeSettings(), Installation(cpu=True, torchvision_differs=differs), os.environ).env
    child = "import gc; print(gc.get_threshold())"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert printed(parent, **env) == "(50000, 50, 50)"


def test_a_gpus_processes_are_pythons_own() -> None:
    env = plan(ServeSettings(), Installation(cpu=False, torchvision_differs=False), {}).env
    assert "PYTHONPATH" not in env


def test_vllm_finds_what_takes_its_imports_out_of_garbage_collection() -> None:
    groups = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]
    module, _, function = groups["vllm.general_plugins"][PLUGIN_NAME].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    code = (
        f"import gc; from {module} import {function} as call; call(); print(gc.get_freeze_count())"
    )
    env = plan(ServeSettings(), Installation.detect(), os.environ).env
    assert int(printed(code, **env)) > 1000
