"""Keeps several servers and their balancer running, and ends them in order."""

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Sequence

from qwen_ocr_serve.launch.installation import LaunchError
from qwen_ocr_serve.launch.launcher import Launch
from qwen_ocr_serve.replicas.balancer import Control, server_name
from qwen_ocr_serve.replicas.child import POLL_INTERVAL, Child

log = logging.getLogger("qwen_ocr.supervisor")

_STEADY = 600.0
"""Seconds. When a process that has run for longer ends, its pauses begin anew with the shortest; a
start alone can take minutes."""
_LONGEST_PAUSE = 60.0
_BALANCER_START = 30.0
_KILL_AFTER = 15.0
"""Seconds that a server gets to end, beside those that its requests get."""


def pause_after(ends: int) -> float:
    """Seconds until a process is started again that has ended so many times in a row."""
    return min(2.0 ** (ends - 1), _LONGEST_PAUSE)


class Supervisor:
    """Starts what ends. SIGTERM lets the servers finish their requests, SIGINT does not, and SIGHUP
    restarts one server after the other."""

    def __init__(
        self, servers: Sequence[Launch], balancer: Launch, control: Control, drain: float
    ) -> None:
        """`drain` is how many seconds running requests get to finish."""
        self._servers = [Child(server_name(i), launch) for i, launch in enumerate(servers)]
        self._balancer = Child("balancer", balancer, log)
        self._control = control
        self._drain = drain
        self._signal = signal.SIGTERM
        self._restart = asyncio.Event()
        self._terminal = sys.stdout.isatty()
        self._announced: dict[str, int] = {}
        """The last start of each server that the log called ready."""

    async def run(self) -> int:
        """Run until a signal; return 0 if everything then ended as it was told to, else 1."""
        loop = asyncio.get_running_loop()
        work = loop.create_task(self._work())
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop, signum, work)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up, work)
        failed = False
        try:
            await work
        except* asyncio.CancelledError:
            log.info("ending")
        except* LaunchError as errors:
            failed = True
            log.error("%s", errors.exceptions[0])
        finally:
            clean = await self._end()
        return int(failed or not clean)

    def _stop(self, signum: signal.Signals, work: asyncio.Task[None]) -> None:
        self._signal = signum
        if not work.cancel():  # the servers are ending already
            for server in self._servers:
                server.signal_end(signum)

    def _hang_up(self, work: asyncio.Task[None]) -> None:
        if self._terminal and not sys.stdout.isatty():
            self._stop(signal.SIGTERM, work)  # not a wish for new servers: the terminal is closed
        else:
            self._restart.set()

    async def _work(self) -> None:
        first, *others = self._servers
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep(self._balancer))
            await self._wait_for_balancer()
            tasks.create_task(self._keep(first))
            # The others start when the first is ready: they find what it has downloaded and
            # compiled, and an error in the settings is reported once.
            if not await self._ready(first, 1):
                raise LaunchError(f"{first.name} ended before it was ready: its log says why")
            for server in others:
                tasks.create_task(self._keep(server))
            while await self._restart.wait():
                self._restart.clear()
                await self._restart_all()

    async def _keep(self, child: Child) -> None:
        ends = 0
        while True:
            log.info("%s started as process %d", child.name, child.start())
            began = time.monotonic()
            if child is self._balancer:
                code = await child.ended()
            else:
                code = await self._until_ended(child)
            if child.ending:
                continue
            ends = ends + 1 if time.monotonic() - began < _STEADY else 1
            pause = pause_after(ends)
            log.error("%s ended with %d; it is started again in %g s", child.name, code, pause)
            await asyncio.sleep(pause)

    async def _until_ended(self, server: Child) -> int:
        announcing = asyncio.create_task(self._ready(server, server.starts))
        code = await server.ended()
        announcing.cancel()
        # HAProxy would go on trying until two of its health checks have failed.
        with contextlib.suppress(OSError):
            await self._control.lost(server.name)
        return code

    async def _wait_for_balancer(self) -> None:
        deadline = time.monotonic() + _BALANCER_START
        while time.monotonic() < deadline:
            await asyncio.sleep(POLL_INTERVAL)
            with contextlib.suppress(OSError):
                for server in self._servers:
                    await self._control.lost(server.name)
                return
        raise LaunchError("HAProxy does not start: its message is above")

    async def _ready(self, server: Child, start: int) -> bool:
        """Wait until requests go to this start of a server; `False` if it ends before.

        The first call that finds out writes it into the log.
        """
        while server.starts < start or (server.starts == start and server.running):
            await asyncio.sleep(POLL_INTERVAL)
            with contextlib.suppress(OSError):
                if server.starts == start and (await self._control.state(server.name)).up:
                    if self._announced.get(server.name) != start:
                        self._announced[server.name] = start
                        log.info("%s is ready", server.name)
                    return True
        return False

    async def _restart_all(self) -> None:
        for server in self._servers:
            log.info("restarting %s", server.name)
            await self._retire(server)
            start = server.starts + 1
            await server.end(signal.SIGTERM, self._drain + _KILL_AFTER)
            if not await self._ready(server, start):
                log.error("%s does not come back: the others are not restarted", server.name)
                return
        log.info("all servers have been restarted")

    async def _retire(self, server: Child) -> None:
        """Let a server finish its requests while others get the new ones."""
        deadline = time.monotonic() + self._drain
        with contextlib.suppress(OSError):
            await self._control.retire(server.name)
            while (await self._control.state(server.name)).requests:
                if time.monotonic() > deadline:
                    return
                await asyncio.sleep(POLL_INTERVAL)

    async def _end(self) -> bool:
        """End everything at the same time, and say whether all went well."""
        # HAProxy, too, has a signal for closing its port and finishing what runs.
        soft = self._signal == signal.SIGTERM
        seconds = self._drain + _KILL_AFTER
        return all(
            await asyncio.gather(
                self._balancer.end(signal.SIGUSR1 if soft else signal.SIGTERM, seconds),
                *(server.end(self._signal, seconds) for server in self._servers),
            )
        )
