"""Grammars of callers, compiled in a process of their own before vLLM compiles them.

vLLM compiles on the event loop and again in the engine, in native code that nothing can stop. So a
grammar is tried first where time and memory have limits. Only for `--allow-grammars`: JSON Schemas
are bounded by their size, see `bounds`.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from qwen_ocr_serve.api.grammar_check import REFUSED
from qwen_ocr_serve.api.parameters import GRAMMARS
from qwen_ocr_serve.http.errors import APIError

_TIME_LIMIT = 10.0
"""Seconds for the process, its start included, which takes half a second on a busy machine."""
_AT_ONCE = 2
_MOST_KNOWN = 1_000
"""Grammars that are remembered as harmless, so that each costs a process only once."""


class GrammarChecker:
    """Tries grammars, a few at a time, and remembers those that are harmless."""

    def __init__(self) -> None:
        self._known: dict[bytes, None] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def check(self, structured: Mapping[str, Any] | None) -> None:
        """Raise `APIError` for a grammar that is none, or takes too much time or memory."""
        for kind in GRAMMARS if structured else ():
            text = structured.get(kind) if structured else None
            if text is not None:
                await self._check(kind, text if isinstance(text, str) else json.dumps(text))

    async def _check(self, kind: str, text: str) -> None:
        key = blake2b(f"{kind}\0{text}".encode()).digest()
        if key in self._known:
            return
        param = f"structured_outputs.{kind}"
        async with self._slots:
            code, reason = await _run(kind, text)
        if code == REFUSED:
            raise APIError(
                400, "invalid_grammar", f"not a {kind} that can be used: {reason}", param
            )
        if code != 0:
            message = f"this {kind} takes too much time or memory to compile: make it smaller"
            raise APIError(400, "request_too_complex", message, param)
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[key] = None


async def _run(kind: str, text: str) -> tuple[int | None, str]:
    """The exit code of the program, `None` if it had to be ended; and the reason that it gives."""
    names = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")  # nothing else: the environment holds keys
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "qwen_ocr_serve.api.grammar_check", kind),
        env={name: os.environ[name] for name in names if name in os.environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_TIME_LIMIT):
            _, errors = await process.communicate(text.encode())
    except TimeoutError:
        return None, ""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, errors.decode("utf-8", "replace").strip()[:500]
