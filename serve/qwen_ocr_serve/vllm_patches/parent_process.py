"""A process of vLLM's ends with the one that started it."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def end_with_parent() -> None:
    """Let the kernel end this process when its parent has ended, for whatever reason.

    vLLM's engine watches its parent only through Python, and outlives one that was killed, with all
    its memory. See prctl(2), PR_SET_PDEATHSIG.
    """
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)  # it ended before the kernel was told
