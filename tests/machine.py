"""Ports, processes and what is installed, for tests."""

import os
import random
import socket
from importlib.util import find_spec

import pytest

needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")


def consecutive_ports(count: int) -> int:
    """The first of so many free ports in a row, none of which the system gives to connections."""
    for first in random.sample(range(21000, 32000), 100):
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


def group_exists(leader: int) -> bool:
    """Whether any process is left of the group that this one led."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True
