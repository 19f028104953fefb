"""A torchvision that does not match torch can be imported; one that does is left alone.

What importing leaves behind cannot be undone, so each test imports in a process of its own.
"""

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.launch.launcher import build_launch
from qwen_ocr_serve.settings import ServeSettings
from qwen_ocr_serve.vllm_patches import torchvision_compat


def run(code: str, **env: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def launch_env() -> dict[str, str]:
    installation = Installation(cpu=True, torchvision_differs=True)
    return build_launch(ServeSettings(), installation, os.environ).env


@pytest.mark.parametrize(
    ("torch", "torchvision", "differ"),
    [
        ("2.13.0+cpu", "0.28.0", True),
        ("2.13.0+cpu", "0.28.0+cpu", False),
        ("2.13.0", "0.28.0", False),
        ("2.13.0+cu130", "0.28.0+cu130", False),
        ("2.13.0+cpu", None, False),
    ],
)
def test_builds_are_told_apart_by_their_labels(
    monkeypatch: pytest.MonkeyPatch, torch: str, torchvision: str | None, differ: bool
) -> None:
    def version(name: str) -> str:
        found = {"torch": torch, "torchvision": torchvision}[name]
        if found is None:
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr(torchvision_compat, "version", version)
    assert torchvision_compat.builds_differ() is differ


def test_declaring_makes_torchvision_importable() -> None:
    run(
        "from qwen_ocr_serve.vllm_patches.torchvision_compat import declare_operators\n"
        "declare_operators()\n"
        "declare_operators()\n"
        "import torchvision.transforms.v2\n"
    )


def test_a_torchvision_that_loads_is_left_alone() -> None:
    run(
        "import torch\n"
        "from qwen_ocr_serve.vllm_patches import torchvision_compat\n"
        "torch.ops.load_library = lambda path: None\n"
        "torch.library.Library = None\n"
        "torchvision_compat.declare_operators()\n"
    )


def test_every_process_of_the_server_can_import_torchvision() -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', {!r}], check=True)"
    run(child.format("import torchvision.transforms.v2"), **launch_env())


def test_processes_that_do_not_need_torch_do_not_load_it() -> None:
    assert run("import sys; print('torch' in sys.modules)", **launch_env()) == "False\n"
