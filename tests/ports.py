"""Ports for tests."""

import random
import socket


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
