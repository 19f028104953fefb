"""What large requests leave behind in the server."""

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor

import httpx2
from load import chat
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from processes import memory

from qwen_ocr_serve.launch.local_server import LocalServer

COUNT = 200
SIZE = 3 * 2**20
"""Bytes of a file that has few pixels all the same."""
MOST = 400
"""MiB: what is freed together, as text and as bytes, and room. All would be 800 as text alone."""


def test_large_images_do_not_pile_up(server: LocalServer, http: httpx2.Client, png: bytes) -> None:
    ballast = PngInfo()
    ballast.add(b"baLt", os.urandom(SIZE))
    file = io.BytesIO()
    Image.open(io.BytesIO(png)).save(file, "PNG", pnginfo=ballast)
    asked = chat("mini", file.getvalue(), 1)
    body = json.dumps(asked.body)

    def read(_: int) -> None:
        headers = {"content-type": "application/json"}
        http.post(asked.path, content=body, headers=headers).raise_for_status()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(16)))  # what is used again and again is there then
        before = memory(server.process.pid)
        list(pool.map(read, range(COUNT)))
        assert memory(server.process.pid) - before < MOST
