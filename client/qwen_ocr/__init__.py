"""Read documents with Qwen-VL: an image and a prompt in, text out.

    from qwen_ocr import OCRClient

    with OCRClient("http://localhost:8000") as client:
        print(client.ocr("receipt.png"))

Everything that a caller needs is here and in `__all__`. The two clients are imported when they are
first asked for: the SDK under them takes most of a second to import, which `import qwen_ocr`, the
command line's help and the server, which shares the model families, should not have to pay.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from qwen_ocr.confidence import LOW_CONFIDENCE, WARNINGS
from qwen_ocr.documents import Block, Document, Figure, Line, Page
from qwen_ocr.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ImageError,
    LowConfidenceError,
    NotFoundError,
    OCRConnectionError,
    OCRError,
    OCRTimeoutError,
    OutputError,
    OverloadedError,
    PDFError,
    PromptError,
    RepetitionError,
    ResponseError,
    SchemaError,
    ServerError,
    TruncatedError,
    UnsupportedTaskError,
)
from qwen_ocr.families import Family, family_of
from qwen_ocr.images import ImageInput, tiff_pages
from qwen_ocr.options import DocumentOptions, ReadOptions
from qwen_ocr.outcomes import Outcome
from qwen_ocr.prompts import DEFAULT_PROMPT, Task
from qwen_ocr.results import ImagePlan, OCRResult, TextBlock, TextBox, Usage, Word
from qwen_ocr.streams import AsyncOCRStream, OCRStream

if TYPE_CHECKING:
    from qwen_ocr.async_client import AsyncOCRClient
    from qwen_ocr.client import OCRClient
else:
    # Hidden from type checkers, which would otherwise accept any misspelt name.
    def __getattr__(name: str) -> object:
        module = {"AsyncOCRClient": "async_client", "OCRClient": "client"}.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{module}"), name)


__all__ = [
    "DEFAULT_PROMPT",
    "LOW_CONFIDENCE",
    "WARNINGS",
    "AsyncOCRClient",
    "AsyncOCRStream",
    "AuthenticationError",
    "BadRequestError",
    "Block",
    "ConfigurationError",
    "Document",
    "DocumentOptions",
    "Family",
    "Figure",
    "ImageError",
    "ImageInput",
    "ImagePlan",
    "Line",
    "LowConfidenceError",
    "NotFoundError",
    "OCRClient",
    "OCRConnectionError",
    "OCRError",
    "OCRResult",
    "OCRStream",
    "OCRTimeoutError",
    "Outcome",
    "OutputError",
    "OverloadedError",
    "PDFError",
    "Page",
    "PromptError",
    "ReadOptions",
    "RepetitionError",
    "ResponseError",
    "SchemaError",
    "ServerError",
    "Task",
    "TextBlock",
    "TextBox",
    "TruncatedError",
    "UnsupportedTaskError",
    "Usage",
    "Word",
    "family_of",
    "tiff_pages",
]
