"""What CAPACITY.md tells people to type, and our batch files, as vLLM itself sees them."""

import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from qwen_ocr_serve.cli.app import app
from qwen_ocr_serve.launch.launcher import SERVER_MODULE

ROOT = Path(__file__).parents[2]
CHAPTER = (ROOT / "docs/capacity.md").read_text("utf-8")
COMMANDS = [
    shlex.split(line, comments=True) for line in re.findall(r"^\$ (.*)$", CHAPTER, re.MULTILINE)
]
# One process for everything, as importing vLLM takes ten seconds.
_VLLM = """
import json, sys
from qwen_ocr_serve.vllm_patches.torchvision_compat import declare_on_import
declare_on_import()
from vllm.entrypoints.launchers import cli_args, run_batch
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionResponse
from vllm.utils.argparse_utils import FlexibleArgumentParser
given = json.load(sys.stdin)
fields = ["tensor_parallel_size", "data_parallel_size", "data_parallel_size_local",
          "pipeline_parallel_size", "distributed_executor_backend", "data_parallel_backend"]
served = []
for argv in given["serve"]:
    arguments = cli_args.make_arg_parser(FlexibleArgumentParser()).parse_args(argv)
    cli_args.validate_parsed_serve_args(arguments)
    served.append({name: getattr(arguments, name) for name in fields})
for argv in given["run-batch"]:
    arguments = run_batch.make_arg_parser(FlexibleArgumentParser()).parse_args(argv)
    assert arguments.input_file and arguments.output_file and arguments.model
answers = []
for number, line in enumerate(given["requests"]):
    request = run_batch.BatchRequestInput.model_validate_json(line)
    assert request.url == "/v1/chat/completions", request.url
    assert request.body.repetition_detection is not None
    assert request.body.max_completion_tokens == 50
    if number:
        answer = run_batch.make_error_request_output(request, "no room")
    else:
        body = ChatCompletionResponse.model_validate(given["completion"])
        data = run_batch.BatchResponseData(body=body, request_id="vllm-batch-1")
        answer = run_batch.BatchRequestOutput(
            id="vllm-1", custom_id=request.custom_id, response=data, error=None)
    answers.append(answer.model_dump_json())
json.dump({"served": served, "answers": answers}, sys.stdout)
"""
COMPLETION = {
    "model": "mini",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "TOTAL 12.50"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 70, "completion_tokens": 5, "total_tokens": 75},
}


def launched(command: list[str]) -> list[str]:
    """The arguments that `qwen-ocr serve` gives to vLLM."""
    extra = command.index("--") if "--" in command else len(command)
    words = [*command[1:extra], "--dry-run", *command[extra:]]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    printed = shlex.split(result.stdout.replace("\\\n", " "))
    return printed[printed.index(SERVER_MODULE) + 1 :]


def batch(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["batch", "scans", *arguments])


def test_vllm_takes_what_we_write_and_we_take_what_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "white").save(buffer, "PNG")
    (tmp_path / "scans").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "scans" / name).write_bytes(buffer.getvalue())
    monkeypatch.chdir(tmp_path)
    wrote = batch("--write-requests", "r.jsonl", "--model", "mini", "--max-tokens", "50")
    assert wrote.exit_code == 0, wrote.output
    serve = [launched(command) for command in COMMANDS if command[:2] == ["qwen-ocr", "serve"]]
    readme = (ROOT / "docs/command-line.md").read_text("utf-8")
    runs = [*COMMANDS, *map(shlex.split, re.findall(r"^\$ (vllm run-batch .*)$", readme, re.M))]
    given: dict[str, Any] = {
        "serve": serve,
        "run-batch": [words[2:] for words in runs if words[:2] == ["vllm", "run-batch"]],
        "requests": Path("r.jsonl").read_text("utf-8").splitlines(),
        "completion": COMPLETION,
    }
    assert len(given["run-batch"]) == 2
    done = subprocess.run(
        [sys.executable, "-c", _VLLM], input=json.dumps(given), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout[done.stdout.index('{"served"') :])
    sizes = [(row["tensor_parallel_size"], row["data_parallel_size"]) for row in seen["served"]]
    assert sizes == [(1, 1), (1, 4), (2, 1), (2, 4), (8, 1), (1, 16)]
    model_on_ray, copies_on_ray = seen["served"][-2:]
    assert model_on_ray["pipeline_parallel_size"] == 2
    assert model_on_ray["distributed_executor_backend"] == "ray"
    assert copies_on_ray["data_parallel_size_local"] == 8
    assert copies_on_ray["data_parallel_backend"] == "ray"

    Path("answers.jsonl").write_text("\n".join(seen["answers"]))
    read = batch("--read-answers", "answers.jsonl", "-o", "out.jsonl")
    assert read.exit_code == 1
    first, second = map(json.loads, Path("out.jsonl").read_text("utf-8").splitlines())
    assert (Path(first["file"]).name, first["text"]) == ("a.png", "TOTAL 12.50")
    assert first["usage"] == {"prompt_tokens": 70, "completion_tokens": 5}
    assert (Path(second["file"]).name, second["error"]) == ("b.png", "BadRequestError")
    assert "no room" in second["message"]
