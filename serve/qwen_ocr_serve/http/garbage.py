"""Frees what requests leave behind, by its size instead of by the number of its objects."""

import gc

_EVERY = 128 * 2**20
"""Bytes. To collect takes some milliseconds, to decode as many bytes of images takes seconds."""


class Garbage:
    """Counts the bytes of requests, and collects garbage after so many of them.

    Each request leaves some reference cycles: pydantic's validators of vLLM's messages are in them,
    and hold the images as text. Python looks for cycles after so many new objects, which can be
    those of thousands of images, gigabytes. All that has existed since the server's start is
    frozen, so that a collection looks through little more than the requests.
    """

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, count: int) -> None:
        """Note so many bytes more."""
        self._bytes += count
        if self._bytes >= _EVERY:
            self._bytes = 0
            gc.collect()
