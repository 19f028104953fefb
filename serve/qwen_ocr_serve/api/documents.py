"""`POST /v1/ocr`: a PDF or an image to Markdown, in the interface of Mistral's OCR service."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.datastructures import State
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.serve.utils.api_utils import with_cancellation

from qwen_ocr.prompts import DEFAULT_PROMPT, Task, task_of
from qwen_ocr.requests import build_request, wire_body
from qwen_ocr_serve.api import answers, page_reader
from qwen_ocr_serve.api.document_request import Job, OCRRequest, page_numbers, read_job
from qwen_ocr_serve.documents.reading import ReadPage, put_together, read_pieces
from qwen_ocr_serve.http.errors import APIError, internal_error
from qwen_ocr_serve.http.routes import POST, Route
from qwen_ocr_serve.models.serving import served_family

ROUTES = (Route("/v1/ocr", POST, limited=True),)
DPI = 200
"""Dots per inch at which pages of PDFs are rendered."""
_AHEAD = 3
"""Pages that are begun while one is waited for, so that the engine has work."""

router = APIRouter()


class _Reader:
    """Reads the pages of one document, a few at a time."""

    def __init__(self, job: Job, state: State, numbers: list[int]) -> None:
        self._job = job
        self._state = state
        self._numbers = numbers
        family = served_family()
        # A model that reads pages is asked for Markdown, with the page as a whole.
        self._whole = family is None or family.reads_pages
        taught = family is None or task_of(Task.MARKDOWN) in family.tasks
        self._prompt = Task.MARKDOWN if self._whole and taught else DEFAULT_PROMPT
        model: str = state.openai_serving_models.base_model_paths[0].name
        url, profile = "data:image/png;base64,", answers.profile()
        body = wire_body(build_request(model, url, self._prompt, profile=profile))
        self._chat = ChatCompletionRequest.model_validate(body)

    async def pages(self) -> AsyncGenerator[dict[str, Any], None]:
        """Each page as it is answered, in order. A page that fails is there with its error."""
        tasks: list[asyncio.Task[dict[str, Any]]] = []
        waiting = iter(self._numbers)
        try:
            while True:
                while len(tasks) <= _AHEAD and (number := next(waiting, None)) is not None:
                    tasks.append(asyncio.create_task(self._page(number)))
                if not tasks:
                    return
                yield await tasks.pop(0)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _page(self, number: int) -> dict[str, Any]:
        try:
            analysed = await page_reader.analyse(self._job.data, number, DPI, whole=self._whole)
            ask = page_reader.PieceReader(self._chat, self._state, whole=self._whole)
            async with aclosing(read_pieces(analysed, ask)) as found:
                read = put_together(analysed.analysis, [answer async for answer in found])
            read = answers.in_blocks(read, self._prompt)
        except APIError as exc:
            empty = {"index": number, "markdown": "", "images": [], "dimensions": None}
            return empty | {"qwen_ocr": {"error": {"code": exc.code, "message": exc.message}}}
        return _page_body(self._job.request, number, read)


def _page_body(asked: OCRRequest, number: int, page: ReadPage) -> dict[str, Any]:
    analysis = page.analysis
    pictures = [block.box for block in page.blocks if block.kind == "image"]
    least = asked.image_min_size or 0
    pictures = [box for box in pictures if min(box[2] - box[0], box[3] - box[1]) >= least]
    body: dict[str, Any] = {
        "index": number,
        "markdown": page.markdown,
        "images": [
            {"id": f"img-{place}", **_box(box), "image_base64": None}
            for place, box in enumerate(pictures[: asked.image_limit])
        ],
        "dimensions": {"dpi": DPI, "height": analysis.height, "width": analysis.width},
        "qwen_ocr": {
            "confidence": page.confidence,
            "warnings": list(page.warnings),
            "turned": analysis.turned,
            "skew": round(analysis.skew, 2),
        },
    }
    if asked.include_blocks:
        body["blocks"] = [
            {"type": block.kind, "content": block.text, **_box(block.box)} for block in page.blocks
        ]
    if asked.confidence_scores_granularity:
        body["confidence_scores"] = _scores(
            page, words=asked.confidence_scores_granularity == "word"
        )
    return body


def _box(box: tuple[int, int, int, int]) -> dict[str, int]:
    names = ("top_left_x", "top_left_y", "bottom_right_x", "bottom_right_y")
    return dict(zip(names, box, strict=True))


def _scores(page: ReadPage, *, words: bool) -> dict[str, Any]:
    scores: dict[str, Any] = {
        "average_page_confidence_score": page.confidence or 0.0,
        "minimum_page_confidence_score": min((word.confidence for word in page.words), default=0.0),
    }
    if words:
        place, found = 0, []
        for word in page.words:
            place = max(page.markdown.find(word.text, place), 0)
            found.append({"text": word.text, "confidence": word.confidence, "start_index": place})
            place += len(word.text)
        scores["word_confidence_scores"] = found
    return scores


@router.post(
    ROUTES[0].path,
    response_model=None,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": OCRRequest.model_json_schema()},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": {"type": "string", "format": "binary"}},
                    }
                },
            },
        }
    },
)
@with_cancellation  # type: ignore[untyped-decorator]  # vLLM leaves it without types
async def read_document(job: Annotated[Job, Depends(read_job)], raw_request: Request) -> Response:
    """Read the pages of a PDF, an image or a TIFF. With `Accept: text/markdown`, as one text.

    Pages that fail are in the answer with their error, under `qwen_ocr`.
    """
    count = await page_reader.page_count(job.data)
    numbers = page_numbers(job.request.pages, count)
    reader = _Reader(job, raw_request.app.state, numbers)
    about = {
        "model": raw_request.app.state.openai_serving_models.base_model_paths[0].name,
        "usage_info": {"pages_processed": len(numbers), "doc_size_bytes": len(job.data)},
    }
    if job.request.stream:
        return StreamingResponse(_events(reader, about), media_type="text/event-stream")
    pages = [page async for page in reader.pages()]
    if raw_request.headers.get("accept", "").startswith("text/markdown"):
        text = "\n\n".join(page["markdown"] for page in pages)
        return PlainTextResponse(text + "\n", media_type="text/markdown")
    return JSONResponse({"pages": pages, **about, "document_annotation": None})


async def _events(reader: _Reader, about: dict[str, Any]) -> AsyncIterator[str]:
    """A page each, then what is about all of them, then the end."""
    try:
        # Closed at once when the caller goes away, so that no further page is read.
        async with aclosing(reader.pages()) as pages:
            async for page in pages:
                yield f"data: {json.dumps(page, ensure_ascii=False)}\n\n"
        yield f"data: {json.dumps(about)}\n\n"
    except Exception:  # noqa: BLE001  # half an answer: an event is all that can tell
        error = internal_error()
        yield f"data: {json.dumps({'error': {'message': error.message, 'code': error.status}})}\n\n"
    yield "data: [DONE]\n\n"
