"""The limit: vLLM's offline engine, no HTTP. `python tests/bench/offline.py TOKENS`.

For each number on its standard input it draws so many images and says READY. At the next line, it
reads all of them at once with the very engine arguments that `qwen-ocr serve` uses, each answer
TOKENS long, and says DONE. Images are decoded and prepared in between, as the server does it, and
none comes twice.

It is to be started with the `environment` for a number of threads. With one, the engine has a
process of its own, as the server's has. With more it computes in this one, which is faster: 39
against 31 pages/s with two threads on two cores.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from typing import Any

from load import chat, full_pages

from qwen_ocr_serve.launch import launcher
from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.settings import ServeSettings

READY, DONE = "pages are ready", "pages are read"
"""Lines of its standard output, among which vLLM writes its own."""


def environment(threads: int) -> dict[str, str]:
    """The server's environment variables for this process, which are read when it begins."""
    told = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    # The images come from this very process, not from requests that anybody might send.
    ours = {"VLLM_PLUGINS", "VLLM_MEDIA_CONNECTOR"}
    env = {name: value for name, value in _launch(told).env.items() if name not in ours}
    if threads == 1:
        # The server's engine is a process although this variable is 0, the offline one is not.
        env["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    else:
        env["OMP_NUM_THREADS"] = str(threads)
    return {**os.environ, **env}


def _launch(environ: Mapping[str, str]) -> launcher.Launch:
    return launcher.build_launch(ServeSettings(), Installation.detect(), environ)


def engine_arguments() -> dict[str, Any]:
    """What vLLM's own parser makes of our command line, as far as the engine is concerned."""
    from vllm import EngineArgs
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.usage.usage_lib import UsageContext
    from vllm.utils.argparse_utils import FlexibleArgumentParser
    from vllm.v1.executor.uniproc_executor import UniProcExecutor

    parsed = make_arg_parser(FlexibleArgumentParser()).parse_args(_launch(os.environ).argv[3:])
    names = {field.name for field in dataclasses.fields(EngineArgs)}
    arguments = {name: value for name, value in vars(parsed).items() if name in names}
    # By default, the offline engine computes larger batches than a server.
    tokens, sequences = EngineArgs.get_batch_defaults(world_size=1)
    served = UsageContext.OPENAI_API_SERVER
    if arguments["max_num_batched_tokens"] is None:
        arguments["max_num_batched_tokens"] = tokens[served]
    if arguments["max_num_seqs"] is None:
        arguments["max_num_seqs"] = sequences[served]
    # Without this, an engine in a process of its own would compute in yet another one.
    arguments["distributed_executor_backend"] = UniProcExecutor
    return arguments


def main() -> None:
    """Read as many pages as each line of the standard input says."""
    tokens = int(sys.argv[1])
    from vllm import LLM, SamplingParams

    llm = LLM(**engine_arguments())
    pages = full_pages(tokens)
    sampling = SamplingParams(temperature=0.0, max_tokens=tokens, ignore_eos=True)
    for line in sys.stdin:
        conversations = [chat("", image).body["messages"] for image in pages.take(int(line))]
        print(READY, flush=True)
        sys.stdin.readline()
        outputs = llm.chat(conversations, sampling, use_tqdm=False)
        assert all(len(output.outputs[0].token_ids) == tokens for output in outputs)
        print(DONE, flush=True)


if __name__ == "__main__":
    main()
