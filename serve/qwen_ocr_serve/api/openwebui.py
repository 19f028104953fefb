"""`PUT /process`: Open WebUI's external document loader.

The interface is what `retrieval/loaders/external_document.py` of Open WebUI sends and reads.
"""

from contextlib import closing
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, Request
from pydantic import BaseModel
from vllm.entrypoints.serve.utils.api_utils import with_cancellation

from qwen_ocr_serve.api.document_request import Document, Job, OCRRequest, refused
from qwen_ocr_serve.api.documents import DocumentReader
from qwen_ocr_serve.api.page_reader import in_file
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.http.routes import PUT, Route

ROUTES = (Route("/process", PUT, limited=True, error_format="detail"),)
_NO_TEXT = "No extractable text"
"""Words that Open WebUI looks for in an answer of 422."""

router = APIRouter(tags=["Documents"])


class Processed(BaseModel):
    """A page, as a document of LangChain."""

    page_content: str
    metadata: dict[str, str | int | float]


@router.put(
    ROUTES[0].path,
    summary="Read a document for Open WebUI",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
@with_cancellation  # type: ignore[untyped-decorator]  # vLLM leaves it without types
async def process(raw_request: Request) -> list[Processed]:
    """Read the PDF, the image or the TIFF in the body: a document for each page with text.

    The header `X-Filename` gives its name, percent-encoded.
    """
    data = await raw_request.body()
    if not data:
        raise refused("send the file itself as the body")
    asked = OCRRequest(document=Document(type="file"), image_limit=0)
    with closing(await in_file(data)) as document:
        reader = await DocumentReader.of(Job(asked, document), raw_request.app.state)
        pages = [page async for page in reader.pages()]
    name = unquote(raw_request.headers.get("x-filename", "document"))
    return _documents(pages, name)


def _documents(pages: list[dict[str, Any]], name: str) -> list[Processed]:
    failed = [page for page in pages if "error" in page["qwen_ocr"]]
    if len(failed) == len(pages):
        error = failed[0]["qwen_ocr"]["error"]
        raise refused(f"no page can be read: {error['message']}", error["code"])
    # What a vector database can keep: plain values. Pages count from 0, as Open WebUI's do.
    about: dict[str, str | int | float] = {"source": name, "total_pages": len(pages)}
    if failed:
        about["failed_pages"] = ", ".join(str(page["index"] + 1) for page in failed)
    found = []
    for page in pages:
        if page["markdown"]:
            metadata = {**about, "page": page["index"], "page_label": str(page["index"] + 1)}
            if page["qwen_ocr"].get("confidence") is not None:
                metadata["confidence"] = round(page["qwen_ocr"]["confidence"], 4)
            if page["qwen_ocr"].get("warnings"):
                metadata["warnings"] = ", ".join(page["qwen_ocr"]["warnings"])
            found.append(Processed(page_content=page["markdown"], metadata=metadata))
    if not found:
        raise APIError(HTTPStatus.UNPROCESSABLE_ENTITY.value, "no_text", f"{_NO_TEXT} on any page")
    return found
