"""A program that compiles one grammar as vLLM's guidance backend does, within limits.

Argument: the kind, one of `parameters.GRAMMARS`; the grammar comes on standard input. The exit code
is 0 for a harmless grammar, `REFUSED` for what is no grammar, with the reason on standard error,
and any other for one that reached a limit.
"""

import resource
import sys
import time
from typing import Any

REFUSED = 3
_TOO_SLOW = 4
_COMPILE_SECONDS = 0.25
"""Processor time. vLLM will take as long on the event loop, where every other caller waits."""
_SECONDS = 3
"""Processor time of the whole program; the kernel ends it then."""
_MEMORY = 2**30


def main() -> int:
    """Compile the grammar; the exit code."""
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # After the limits: they hold for everything that it does.
    import llguidance

    kind: Any = sys.argv[1]  # one of the names that llguidance has
    text = sys.stdin.buffer.read().decode()
    began = time.process_time()
    try:
        matcher = llguidance.LLMatcher(
            llguidance.LLTokenizer("byte"), llguidance.grammar_from(kind, text), log_level=0
        )
        matcher.compute_bitmask()  # the first step is where the rest is built
        reason = matcher.get_error()
    except ValueError as exc:
        reason = str(exc)
    if reason:
        print(reason, file=sys.stderr)
        return REFUSED
    return _TOO_SLOW if time.process_time() - began > _COMPILE_SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
