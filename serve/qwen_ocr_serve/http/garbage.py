"""Collects garbage after so many bytes of requests, instead of after so many objects."""

import gc

_EVERY = 128 * 2**20
"""Bytes. To collect takes some milliseconds, to decode as many bytes of images takes seconds."""


class Garbage:
    """Counts the bytes of requests, and collects garbage after so many of them.

    Each request leaves some reference cycles, which hold its images as text: pydantic's validators
    of vLLM's messages make them. Python looks for cycles after so many new objects. Until then,
    those of thousands of images can be left, which are gigabytes. What exists at the end of the
    server's start is frozen, so a collection looks at little more than what requests have made.
    """

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, count: int) -> None:
        """Note so many bytes more."""
        self._bytes += count
        if self._bytes >= _EVERY:
            self._bytes = 0
            gc.collect()
