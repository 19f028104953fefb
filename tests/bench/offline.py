"""The limit: vLLM's offline engine, no HTTP. `python tests/bench/offline.py PAGES TOKENS ROUNDS`.

Reads PAGES images at once with the very engine arguments that `qwen-ocr serve` uses, each answer
TOKENS long, and prints the pages per second of the best of ROUNDS, after one that warms up. Images
are decoded and prepared within that time, as the server does it, and none comes twice.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from typing import Any

from load import chat, evaluation_pages

from qwen_ocr_serve import launcher
from qwen_ocr_serve.settings import ServeSettings
from qwen_ocr_serve.torchvision_compat import declare_on_import


def engine_arguments() -> dict[str, Any]:
    """What vLLM's own parser makes of our command line, as far as the engine is concerned."""
    from vllm import EngineArgs
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.usage.usage_lib import UsageContext
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    launch = launcher.plan(ServeSettings(), launcher.Installation.detect(), os.environ)
    # The images come from this very process, not from requests that anybody might send.
    ours = {"VLLM_PLUGINS", "VLLM_MEDIA_CONNECTOR"}
    os.environ.update({name: value for name, value in launch.env.items() if name not in ours})
    parsed = make_arg_parser(FlexibleArgumentParser()).parse_args(launch.argv[3:])
    names = {field.name for field in dataclasses.fields(EngineArgs)}
    arguments = {name: value for name, value in vars(parsed).items() if name in names}
    # By default, the offline engine computes larger batches than a server.
    tokens, sequences = EngineArgs.get_batch_defaults(world_size=1)
    served = UsageContext.OPENAI_API_SERVER
    if arguments["max_num_batched_tokens"] is None:
        arguments["max_num_batched_tokens"] = tokens[served]
    if arguments["max_num_seqs"] is None:
        arguments["max_num_seqs"] = sequences[served]
    return arguments


def main() -> None:
    """Print pages per second."""
    count, tokens, rounds = map(int, sys.argv[1:])
    declare_on_import()
    arguments = engine_arguments()
    from vllm import LLM, SamplingParams

    llm = LLM(**arguments)
    pages = evaluation_pages("line")
    sampling = SamplingParams(temperature=0.0, max_tokens=tokens, ignore_eos=True)
    best = 0.0
    for number in range(1 + rounds):
        conversations = [chat("", image).body["messages"] for image in pages.take(count)]
        started = time.perf_counter()
        outputs = llm.chat(conversations, sampling, use_tqdm=False)
        speed = count / (time.perf_counter() - started)
        assert all(len(output.outputs[0].token_ids) == tokens for output in outputs)
        print(f"offline engine: {speed:.2f} pages/s", file=sys.stderr)
        if number:
            best = max(best, speed)
    print(f"pages_per_second {best}")


if __name__ == "__main__":
    main()
