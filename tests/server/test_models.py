"""The flags of each model family, checked by vLLM's own parser."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from qwen_ocr.families import FAMILIES
from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.launch.launcher import build_launch
from qwen_ocr_serve.models.architecture import published
from qwen_ocr_serve.models.profiles import profile_for
from qwen_ocr_serve.models.serving import SERVING, family_of_model, flags_of
from qwen_ocr_serve.settings import ServeSettings

# Run in a process of its own, as the server is: importing vLLM changes much in a process.
_PARSE = """
import json, sys
from qwen_ocr_serve.vllm_patches.torchvision_compat import declare_on_import
declare_on_import()
from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.utils.argparse_utils import FlexibleArgumentParser
fields = ["model", "max_model_len", "tensor_parallel_size", "mm_encoder_tp_mode", "kv_cache_dtype",
          "enable_expert_parallel", "default_chat_template_kwargs", "limit_mm_per_prompt"]
for argv in json.load(sys.stdin):
    arguments = make_arg_parser(FlexibleArgumentParser()).parse_args(argv)
    validate_parsed_serve_args(arguments)
    print(json.dumps({name: getattr(arguments, name) for name in fields}))
"""
_GPU = Installation(cpu=False, torchvision_differs=False)
_OTHERS = ["Qwen3.6-27B", "Qwen3.6-35B-A3B-FP8", "Qwen3.8-27B", "Qwen3-VL-30B-A3B-Instruct-FP8"]


def test_vllm_accepts_the_command_of_every_published_model() -> None:
    names = ["Qwen/" + name for name in [*(row["name"] for row in published()), *_OTHERS]]
    commands = [
        build_launch(
            ServeSettings(model=name, gpus=gpus), _GPU, {}, ["--kv-cache-dtype", "fp8"]
        ).argv[3:]
        for name in names
        for gpus in (1, 8)
    ]
    done = subprocess.run(
        [sys.executable, "-c", _PARSE], input=json.dumps(commands), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    parsed = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [arguments["model"] for arguments in parsed[::2]] == names
    for one, eight in zip(parsed[::2], parsed[1::2], strict=True):
        hybrid = "Qwen3." in one["model"]
        thinking = {"enable_thinking": False} if hybrid else None
        assert one["default_chat_template_kwargs"] == thinking
        assert one["limit_mm_per_prompt"] == {"image": 8, "video": 0}
        assert (one["tensor_parallel_size"], one["mm_encoder_tp_mode"]) == (1, "weights")
        assert (eight["tensor_parallel_size"], eight["mm_encoder_tp_mode"]) == (8, "data")
        assert eight["enable_expert_parallel"] is ("-A" in one["model"])
        assert one["kv_cache_dtype"] == "fp8"


def test_every_family_of_the_client_has_a_row() -> None:
    assert {family.name for family in FAMILIES} == set(SERVING)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("mini", "mini"),
        ("Qwen/Qwen2-VL-7B-Instruct", "qwen2-vl"),
        ("Qwen/Qwen2.5-VL-72B-Instruct-AWQ", "qwen2.5-vl"),
        ("Qwen/Qwen3-VL-235B-A22B-Instruct-FP8", "qwen3-vl"),
        ("Qwen/Qwen3.5-397B-A17B", "qwen3.5"),
        ("Qwen/Qwen3.6-35B-A3B", "qwen3.5"),
        ("Qwen/Qwen3.8-27B-FP8", "qwen3.5"),
    ],
)
def test_names_tell_the_family(model: str, family: str) -> None:
    found = family_of_model(model)
    assert found is not None
    assert found.name == family


@pytest.mark.parametrize(
    ("content", "thinking", "experts"),
    [
        ('{"model_type": "qwen3_5", "vision_config": {}}', True, False),
        ('{"model_type": "qwen3_5_moe", "vision_config": {}}', True, True),
        ('{"model_type": "qwen3_vl_moe"}', False, True),
        ('{"model_type": "llava"}', False, False),
        ("{}", False, False),
        ("broken", False, False),
    ],
)
def test_a_directory_tells_its_family(
    tmp_path: Path, content: str, thinking: bool, experts: bool
) -> None:
    (tmp_path / "config.json").write_text(content)
    flags = flags_of(str(tmp_path), tmp_path, 2, profile_for(str(tmp_path), tmp_path))
    assert ("--default-chat-template-kwargs" in flags) is thinking
    assert ("--enable-expert-parallel" in flags) is experts


def test_a_stranger_gets_no_familys_flags() -> None:
    assert family_of_model("someone/else") is None
    assert flags_of("someone/else", None, 1, None) == {}


@pytest.mark.parametrize("row", published(), ids=lambda row: row["name"])
def test_the_counts_are_those_of_the_model_that_transformers_builds(row: dict[str, object]) -> None:
    config = dict(row["config"])  # type: ignore[call-overload]
    tie = config["tie_word_embeddings"]
    config["text_config"] = {**config["text_config"], "tie_word_embeddings": tie}
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(
            AutoConfig.for_model(config.pop("model_type"), **config)
        )
    sizes = dict(model.named_parameters())
    assert sum(p.numel() for p in sizes.values()) == row["parameters"]
    matrices = [
        p.numel()
        for name, p in sizes.items()
        if p.ndim >= 2 and ".layers." in name and "visual" not in name
    ]
    assert sum(matrices) == row["matrix_parameters"]
