"""The arithmetic of `qwen-ocr plan` against what vLLM itself reports about the running server."""

import re

from qwen_ocr_serve.launch.cpu import computes_in_32_bits, kv_cache_gib
from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.launch.local_server import LocalServer
from qwen_ocr_serve.models.architecture import of_directory
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH, ServeSettings

_BLOCK = 128
"""Tokens in a block of vLLM's cache on CPUs: it holds only whole ones."""


def test_the_cache_holds_as_many_tokens_as_computed(server: LocalServer) -> None:
    reported = re.search(r"KV cache size: ([\d,]+) tokens", server.log.read_text())
    assert reported is not None
    settings, installation = ServeSettings(), Installation.detect()
    cache = int(kv_cache_gib(settings, installation) * 2**30)
    value = 4 if computes_in_32_bits(settings, installation) else 2
    computed = cache // of_directory(BUNDLED_MODEL_PATH).kv_bytes_per_token(value)
    assert int(reported.group(1).replace(",", "")) == computed // _BLOCK * _BLOCK
