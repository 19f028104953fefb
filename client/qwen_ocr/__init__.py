"""Read documents with Qwen-VL: an image and a prompt in, text out.

    from qwen_ocr import OCRClient

    with OCRClient("http://localhost:8000") as client:
        print(client.ocr("receipt.png"))

Everything that a caller needs is here and in `__all__`. The two clients are imported when they are
first asked for: the SDK under them takes most of a second to import, which `import qwen_ocr`, the
command line's help and the server, which shares the model families, should not have to pay.
"""

from typing import TYPE_CHECKING

from qwen_ocr.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ImageError,
    NotFoundError,
    OCRConnectionError,
    OCRError,
    OCRTimeoutError,
    OverloadedError,
    PromptError,
    ResponseError,
    ServerError,
    TruncatedError,
)
from qwen_ocr.families import Family, family_of
from qwen_ocr.images import ImageInput
from qwen_ocr.prompts import DEFAULT_PROMPT
from qwen_ocr.results import OCRResult, Usage

if TYPE_CHECKING:
    from qwen_ocr.client import AsyncOCRClient, OCRClient
else:
    # Hidden from type checkers, which would otherwise accept any misspelt name.
    def __getattr__(name: str) -> object:
        if name in ("AsyncOCRClient", "OCRClient"):
            from qwen_ocr import client

            return getattr(client, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "DEFAULT_PROMPT",
    "AsyncOCRClient",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "Family",
    "ImageError",
    "ImageInput",
    "NotFoundError",
    "OCRClient",
    "OCRConnectionError",
    "OCRError",
    "OCRResult",
    "OCRTimeoutError",
    "OverloadedError",
    "PromptError",
    "ResponseError",
    "ServerError",
    "TruncatedError",
    "Usage",
    "family_of",
]
