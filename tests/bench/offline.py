"""The limit: vLLM's offline engine, no HTTP. `python tests/bench/offline.py PAGES TOKENS`.

Reads PAGES images at once with the very engine arguments that `qwen-ocr serve` uses, each answer
TOKENS long, and prints the pages per second, after a first round that warms up.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from pathlib import Path
from typing import Any

from load import chat, sample_images

from qwen_ocr_serve import launcher
from qwen_ocr_serve.settings import ServeSettings
from qwen_ocr_serve.torchvision_compat import declare_on_import


def engine_arguments() -> dict[str, Any]:
    """What vLLM's own parser makes of our command line, as far as the engine is concerned."""
    from vllm import EngineArgs
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    launch = launcher.plan(ServeSettings(), launcher.Installation.detect(), os.environ)
    # The images come from this very process, not from requests that anybody might send.
    ours = {"VLLM_PLUGINS", "VLLM_MEDIA_CONNECTOR"}
    os.environ.update({name: value for name, value in launch.env.items() if name not in ours})
    parsed = make_arg_parser(FlexibleArgumentParser()).parse_args(launch.argv[3:])
    names = {field.name for field in dataclasses.fields(EngineArgs)}
    return {name: value for name, value in vars(parsed).items() if name in names}


def main() -> None:
    """Print pages per second."""
    pages, tokens = map(int, sys.argv[1:])
    declare_on_import()
    arguments = engine_arguments()
    from vllm import LLM, SamplingParams

    llm = LLM(**arguments)
    images = sample_images(Path(__file__).parents[1] / "evaluation", "line", pages)
    conversations = [chat("", image).body["messages"] for image in images]
    sampling = SamplingParams(temperature=0.0, max_tokens=tokens, ignore_eos=True)
    best = 0.0
    for _ in range(3):
        started = time.perf_counter()
        outputs = llm.chat(conversations, sampling, use_tqdm=False)
        seconds = time.perf_counter() - started
        assert all(len(output.outputs[0].token_ids) == tokens for output in outputs)
        best = max(best, pages / seconds)
    print(f"pages_per_second {best}")


if __name__ == "__main__":
    main()
