"""Makes SIGTERM and Ctrl-C end a server that is still starting. Works by being imported.

While vLLM waits for its engine, it answers SIGTERM with `KeyboardInterrupt`, which its own socket
helper swallows, and asyncio defers Ctrl-C until the wait is over. Either way the process would go
on waiting, for minutes, for an engine that was never told to continue. `SystemExit` passes through,
and vLLM's own clean-up then ends the engine. Once the server answers requests, vLLM 0.32 replaces
these handlers by those that end it in order.
"""

import signal
import sys
from types import FrameType

from vllm import __version__

from qwen_ocr_serve.vllm_patches import written_for


def _exit(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


if written_for(__version__):
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, _exit)
