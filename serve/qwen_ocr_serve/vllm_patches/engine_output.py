"""The engine sends each step's tokens itself, instead of handing them to a thread.

Replaces `EngineCoreProc.process_output_sockets` of vLLM 0.32. Its thread lets sending overlap with
the work of a GPU. Without one there is nothing to overlap: both threads need the interpreter, and
taking turns costs more than sending.
"""

from contextlib import ExitStack
from queue import Queue
from threading import Lock
from typing import Any

import zmq
from vllm.utils.network_utils import make_zmq_socket
from vllm.v1.engine import EngineCoreOutputs
from vllm.v1.engine.core import EngineCoreProc
from vllm.v1.serial_utils import MsgpackEncoder

_DEAD = EngineCoreProc.ENGINE_CORE_DEAD
_process_output_sockets = EngineCoreProc.process_output_sockets
_LINGER = 4000
"""Milliseconds, vLLM's own, in which a closed socket may still send what it was given."""


class Outbox:
    """Takes the place of the queue to the engine's thread, and sends what is put into it."""

    def __init__(
        self, sockets: list[zmq.Socket[bytes]], queue: Queue[Any], engine_index: int
    ) -> None:
        self._sockets = sockets
        self._queue = queue
        self._engine_index = engine_index
        self._encoder = MsgpackEncoder()
        self.lock = Lock()  # the thread that takes requests sends errors

    def put_nowait(self, output: tuple[int, EngineCoreOutputs] | bytes) -> None:
        """Send the outputs to the server with that index; the end is left to the thread."""
        if isinstance(output, bytes):
            self._queue.put_nowait(output)
            return
        client_index, outputs = output
        outputs.engine_index = self._engine_index
        with self.lock:
            frames = self._encoder.encode(outputs)
            self._sockets[client_index].send_multipart(frames, copy=False)


def process_output_sockets(
    engine: EngineCoreProc, output_paths: list[str], coord_output_path: str | None, index: int
) -> None:
    """What the thread does instead: it opens the sockets, and closes them at the end.

    It also sends what was put into the queue before the queue was replaced. One of several engines,
    which report to a coordinator as well, keeps vLLM's thread.
    """
    if coord_output_path is not None:
        _process_output_sockets(engine, output_paths, coord_output_path, index)
        return
    queue: Queue[Any] = engine.output_queue
    with zmq.Context() as context, ExitStack() as stack:
        sockets = [
            stack.enter_context(make_zmq_socket(context, path, zmq.PUSH, linger=_LINGER))
            for path in output_paths
        ]
        outbox = Outbox(sockets, queue, index)
        engine.output_queue = outbox  # type: ignore[assignment]  # nothing is taken out of it
        while (output := queue.get()) != _DEAD:
            outbox.put_nowait(output)
        with outbox.lock:
            for socket in sockets:
                socket.send(_DEAD)


def apply() -> None:
    """Let the engine send from its own thread."""
    EngineCoreProc.process_output_sockets = process_output_sockets
