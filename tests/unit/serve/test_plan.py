"""The arithmetic of `qwen-ocr plan`, and what it says."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from tests.machine import needs_vllm
from typer.testing import CliRunner, Result

from qwen_ocr.families import QWEN3_VL, family_of
from qwen_ocr_serve.cli.app import app
from qwen_ocr_serve.models.architecture import (
    UnknownArchitectureError,
    of_directory,
    of_published,
    published,
)
from qwen_ocr_serve.models.memory import PageLoad, plan_memory
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plan", *arguments], env={"COLUMNS": "200"})


# Sizes of the published files, in GB, from the models' own pages and vLLM's recipes. Checkpoints of
# Qwen3.5 and later hold a draft head as well, of about 0.4 B parameters, which is not loaded.
@pytest.mark.parametrize(
    ("model", "published_gb", "tolerance"),
    [
        ("Qwen/Qwen3-VL-2B-Instruct", 4.26, 0.01),
        ("Qwen/Qwen3-VL-8B-Instruct", 17.54, 0.01),
        ("Qwen/Qwen2-VL-7B-Instruct", 16.57, 0.02),
        ("Qwen/Qwen3.6-27B", 55.56, 0.9),
        ("Qwen/Qwen3.8-27B-FP8", 30.87, 0.9),
    ],
)
def test_weights_are_as_large_as_published(
    model: str, published_gb: float, tolerance: float
) -> None:
    weights = of_published(model).weights_bytes
    assert weights is not None
    assert weights / 1e9 == pytest.approx(published_gb, abs=tolerance)


@pytest.mark.parametrize(
    ("model", "bytes_per_token"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", 2 * 28 * 4 * 128 * 2),
        ("Qwen/Qwen3-VL-8B-Instruct", 2 * 36 * 8 * 128 * 2),
        ("Qwen/Qwen3-VL-30B-A3B-Instruct", 2 * 48 * 4 * 128 * 2),
        ("Qwen/Qwen3.5-27B", 2 * 16 * 4 * 256 * 2),  # 48 of its 64 layers keep a state instead
        ("Qwen/Qwen3.6-35B-A3B-FP8", 2 * 10 * 2 * 256 * 2),
    ],
)
def test_only_full_attention_fills_the_cache(model: str, bytes_per_token: int) -> None:
    assert of_published(model).kv_bytes_per_token() == bytes_per_token


def test_linear_attention_keeps_a_state_of_fixed_size() -> None:
    assert of_published("Qwen/Qwen3-VL-8B-Instruct").state_bytes == 0
    # 48 layers: 48 heads of 128 × 128 in 32 bits, and 3 inputs of 10,240 channels in 16 bits.
    layer = 48 * 128 * 128 * 4 + 3 * 10240 * 2
    assert of_published("Qwen/Qwen3.8-27B").state_bytes == 48 * layer


def test_a_directory_is_measured(tmp_path: Path) -> None:
    architecture = of_directory(BUNDLED_MODEL_PATH)
    weights = (BUNDLED_MODEL_PATH / "model.safetensors").stat().st_size
    assert architecture.weights_bytes == weights
    assert architecture.kv_bytes_per_token() == 2 * 4 * 3 * 64 * 2
    assert architecture.patches_per_token == 1
    shutil.copy(BUNDLED_MODEL_PATH / "config.json", tmp_path)
    assert of_directory(tmp_path).weights_bytes is None


def test_a_hybrid_directory_lists_its_layers(tmp_path: Path) -> None:
    row = next(row for row in published() if row["name"] == "Qwen3.5-4B")
    config = json.loads(json.dumps(row["config"]))
    layers = ["linear_attention", "linear_attention", "linear_attention", "full_attention"] * 8
    config["text_config"]["layer_types"] = layers
    del config["text_config"]["full_attention_interval"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert of_directory(tmp_path).kv_layers == 8


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "no readable config"), ("{}", "no field 'num_attention_heads'"), (None, "no readable")],
)
def test_a_directory_without_a_usable_configuration(
    tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(UnknownArchitectureError, match=message):
        of_directory(tmp_path)


@pytest.mark.parametrize("model", ["Qwen/Qwen3-VL-80B-Instruct", "someone/else", "Qwen/Qwen3.5-7B"])
def test_an_unknown_size_is_not_guessed(model: str) -> None:
    with pytest.raises(UnknownArchitectureError, match="give its directory"):
        of_published(model)


def test_the_parts_add_up() -> None:
    architecture = of_published("Qwen/Qwen3-VL-8B-Instruct-FP8")
    result = plan_memory(architecture, QWEN3_VL, PageLoad(gpu_memory_gib=24))
    assert result is not None
    used = result.weights.size + result.working_space.size + result.kv_cache.size
    assert used == pytest.approx(24 * 2**30 * 0.92)
    assert result.page.size == (2048 + 64 + 2048) * 147456
    assert result.pages_in_flight == int(result.kv_cache.size // result.page.size)


def test_more_gpus_hold_more_pages_each() -> None:
    architecture = of_published("Qwen/Qwen3-VL-32B-Instruct")
    family = family_of("Qwen/Qwen3-VL-32B-Instruct")
    pages = []
    for gpus in (1, 2, 4):
        result = plan_memory(architecture, family, PageLoad(80, gpus))
        assert result is not None
        pages.append(result.pages_in_flight)
    assert 0 < pages[0] < pages[1] / 3 < pages[2] / 3


def test_it_prints_the_calculation_and_the_command() -> None:
    result = run("--model", "Qwen/Qwen3-VL-8B-Instruct-FP8", "--gpu-memory", "24")
    assert result.exit_code == 0, result.output
    assert "24 GiB × 0.92" in result.stdout
    assert "2 (key, value) × 36 layers × 8 heads × 128 × 2 B" in result.stdout
    assert "It fits." in result.stdout
    command = result.stdout.splitlines()[-1].strip()
    assert command == "qwen-ocr serve --model Qwen/Qwen3-VL-8B-Instruct-FP8"


@needs_vllm
def test_the_command_is_one_that_serve_takes() -> None:
    model = ("--model", "Qwen/Qwen3-VL-32B-Instruct")
    result = run(*model, "--gpu-memory", "80", "--gpus", "2", "--fp8-kv-cache")
    command = shlex.split(result.stdout.splitlines()[-1])
    assert command[command.index("--gpus") :] == [
        *("--gpus", "2", "--max-model-len", "32768", "--", "--kv-cache-dtype", "fp8")
    ]
    served = CliRunner().invoke(app, ["serve", "--dry-run", *command[2:]])
    assert served.exit_code == 0, served.output
    assert served.stdout.rstrip().endswith("--kv-cache-dtype fp8")


def test_a_model_that_does_not_fit_is_exit_code_1() -> None:
    result = run("--model", "Qwen/Qwen3-VL-32B-Instruct", "--gpu-memory", "24")
    assert result.exit_code == 1
    assert "It does not fit" in result.stdout
    assert "The command" not in result.stdout


def test_the_cache_in_8_bits_reaches_the_command_and_halves_a_page() -> None:
    model = ("--model", "Qwen/Qwen3.8-27B-FP8", "--gpu-memory", "48")
    wide, narrow = run(*model), run(*model, "--fp8-kv-cache")
    assert "× 64 KiB" in wide.stdout
    assert "× 32 KiB" in narrow.stdout
    assert narrow.stdout.rstrip().endswith("--kv-cache-dtype fp8")
    assert narrow.stderr == ""
    assert "8 bits" in run("--fp8-kv-cache").stderr


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("someone/else", "is of no known family"),
        ("someone/else", "not in the table of published models"),
        ("Qwen/Qwen2.5-VL-7B-Instruct-AWQ", "how they were compressed"),
        ("./nowhere", "no readable config.json"),
        ("Qwen/Qwen3-VL-32B-Instruct", "not compared with its config.json"),
        ("Qwen/Qwen3-VL-8B-Thinking", "Instruct"),
    ],
)
def test_what_it_does_not_know_it_says(model: str, message: str) -> None:
    result = run("--model", model)
    assert message in result.stderr
    assert result.exit_code == (0 if "Thinking" in model else 1)


def test_the_table_in_the_readme_is_what_plan_computes() -> None:
    readme = (Path(__file__).parents[3] / "docs/models.md").read_text()
    rows = re.findall(r"^\| `(Qwen/\S+)` \| (\d+) GiB \| (\d+) \|", readme, re.MULTILINE)
    assert len(rows) >= 5
    for model, memory, pages in rows:
        result = plan_memory(of_published(model), family_of(model), PageLoad(float(memory)))
        assert result is not None
        assert (model, result.pages_in_flight) == (model, int(pages))


def test_a_wrong_setting_is_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_OCR_PORT", "x")
    result = run()
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --port: ")
    assert result.stderr.count("\n") == 1
