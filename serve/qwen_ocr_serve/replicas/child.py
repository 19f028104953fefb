"""A process that is started, watched and ended by this one."""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import subprocess

from qwen_ocr_serve.launch.launcher import Launch

POLL_INTERVAL = 0.2
"""Seconds between two looks at a process."""
_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
_EXPECTED = {0, *(code for s in (signal.SIGTERM, signal.SIGINT) for code in (-s, 128 + s))}
"""Exit codes of processes that have ended because a signal told them to."""


class Child:
    """Runs a command, again and again, one process at a time.

    Each process has a session of its own, so that Ctrl-C in a terminal reaches it through this
    process alone, and so that what it leaves behind can be found. It gets SIGTERM when this process
    dies.
    """

    def __init__(self, name: str, launch: Launch, log: logging.Logger | None = None) -> None:
        """What the process prints goes into `log`, if there is one."""
        self.name = name
        self.starts = 0
        """How often the command has been started."""
        self.ending = False
        """Whether the process was told to end."""
        self._launch = launch
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> int:
        """Start the process and return its id; the one before has ended."""
        libc = ctypes.CDLL(None)
        self.ending = False
        self._process = subprocess.Popen(
            self._launch.argv,
            env={**os.environ, **self._launch.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self._log else None,
            stderr=subprocess.STDOUT if self._log else None,
            start_new_session=True,
            preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
        )
        self.starts += 1
        return self._process.pid

    async def ended(self) -> int:
        """Wait until the process that was started has ended; return its exit code."""
        process = self._process
        assert process is not None, "it was started"
        if self._log is not None:
            await self._write_log(process, self._log)
        code = await _wait(process)
        _kill_session(process)
        return code

    def signal_end(self, signum: signal.Signals) -> None:
        """Send a signal that is meant to end the process, if one runs."""
        if self._process is not None and self.running:
            self.ending = True
            self._process.send_signal(signum)

    async def end(self, signum: signal.Signals, seconds: float) -> bool:
        """End the process by this signal, or by killing it if it takes longer than `seconds`.

        Returns whether it ended as it was told to.
        """
        self.signal_end(signum)
        process = self._process
        if process is None or not self.ending:
            return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_wait(process), seconds)
        _kill_session(process)
        return process.wait() in _EXPECTED

    async def _write_log(self, process: subprocess.Popen[bytes], log: logging.Logger) -> None:
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), process.stdout
        )
        async for line in lines:
            log.info("%s: %s", self.name, line.decode(errors="replace").rstrip())


async def _wait(process: subprocess.Popen[bytes]) -> int:
    while (code := process.poll()) is None:  # noqa: ASYNC110  # an end has to be asked for
        await asyncio.sleep(POLL_INTERVAL)
    return code


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of what the process has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
