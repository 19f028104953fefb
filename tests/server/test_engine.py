"""What is done differently in the engine's process where there is no GPU."""

import os
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import zmq
from vllm import EngineArgs
from vllm.config import set_current_vllm_config
from vllm.platforms import current_platform
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs
from vllm.v1.engine.core import EngineCoreProc
from vllm.v1.serial_utils import MsgpackDecoder

from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.launch.launcher import build_launch
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH, ServeSettings
from qwen_ocr_serve.vllm_patches import attention_call, engine_output

TIMEOUT = 20
"""Seconds."""


@pytest.mark.skipif(not current_platform.is_cpu(), reason="vLLM is not built for CPUs")
@pytest.mark.parametrize("eager", [True, False])
def test_only_compilers_get_attention_as_an_operator(
    monkeypatch: pytest.MonkeyPatch, eager: bool
) -> None:
    platform = type(current_platform)
    name = "opaque_attention_op"
    monkeypatch.setattr(platform, name, getattr(platform, name))  # to be restored
    attention_call.apply()
    # vLLM's configuration writes into the environment, which other tests' servers would inherit. It
    # looks at the model in a process of its own, unless it remembers that from a server's start.
    path = build_launch(ServeSettings(), Installation.detect(), {}).env["PYTHONPATH"]
    with patch.dict(os.environ, PYTHONPATH=path):
        arguments = EngineArgs(str(BUNDLED_MODEL_PATH), enforce_eager=eager)
        config = arguments.create_engine_config()
    with set_current_vllm_config(config):
        assert current_platform.opaque_attention_op() is not eager


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[zmq.Socket[bytes]]]:
    """Two servers' ends of the connections to an engine."""
    with zmq.Context() as context:
        sockets = [context.socket(zmq.PULL) for _ in range(2)]
        for number, socket in enumerate(sockets):
            socket.set(zmq.RCVTIMEO, TIMEOUT * 1000)
            socket.set(zmq.LINGER, 0)
            socket.bind(f"ipc://{tmp_path}/{number}")
        yield sockets
        for socket in sockets:
            socket.close()


def outputs(*tokens: int) -> EngineCoreOutputs:
    return EngineCoreOutputs(outputs=[EngineCoreOutput("a", list(tokens))])


def received(socket: zmq.Socket[bytes]) -> EngineCoreOutputs:
    found: EngineCoreOutputs = MsgpackDecoder(EngineCoreOutputs).decode(socket.recv_multipart())
    return found


def test_outputs_arrive_in_order_at_the_server_that_asked(
    servers: list[zmq.Socket[bytes]], tmp_path: Path
) -> None:
    begun: queue.Queue[Any] = queue.Queue()
    begun.put((0, outputs(1)))
    engine: Any = SimpleNamespace(output_queue=begun)
    paths = [f"ipc://{tmp_path}/{number}" for number in range(2)]
    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(engine_output.process_output_sockets, engine, paths, None, 7)
        first = received(servers[0])  # what came before the thread was ready
        assert (first.engine_index, first.outputs[0].new_token_ids) == (7, [1])
        for token in range(2, 100):
            engine.output_queue.put_nowait((token % 2, outputs(token)))
        for token in range(2, 100):
            assert received(servers[token % 2]).outputs[0].new_token_ids == [token]
        assert not thread.done()
        engine.output_queue.put_nowait(EngineCoreProc.ENGINE_CORE_DEAD)
        for server in servers:
            assert server.recv() == EngineCoreProc.ENGINE_CORE_DEAD
        thread.result(TIMEOUT)


def test_one_of_several_engines_keeps_vllms_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        engine_output, "_process_output_sockets", lambda *words: calls.append(words)
    )
    engine: Any = SimpleNamespace(output_queue=queue.Queue())
    engine_output.process_output_sockets(engine, ["ipc://server"], "ipc://coordinator", 7)
    assert calls == [(engine, ["ipc://server"], "ipc://coordinator", 7)]
