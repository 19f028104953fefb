"""`POST /v1/ocr`: a PDF or an image to Markdown, in the interface of Mistral's OCR service."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, aclosing
from dataclasses import asdict
from typing import Annotated, Any, NamedTuple, Self

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.datastructures import State
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.serve.utils.api_utils import with_cancellation

from qwen_ocr.markup import WITH_PLACES
from qwen_ocr.prompts import DEFAULT_PROMPT, Task, task_of
from qwen_ocr.requests import build_request, wire_body
from qwen_ocr_serve.api import answers, page_reader
from qwen_ocr_serve.api.annotations import annotate_document, annotate_figure
from qwen_ocr_serve.api.document_answer import PageAnswer, failed_page
from qwen_ocr_serve.api.document_request import Job, OCRRequest, page_numbers, read_job
from qwen_ocr_serve.api.engine_chat import OnText
from qwen_ocr_serve.documents.reading import ReadPage, read_page
from qwen_ocr_serve.http.errors import APIError, internal_error
from qwen_ocr_serve.http.routes import POST, Route
from qwen_ocr_serve.models.serving import served_family

ROUTES = (Route("/v1/ocr", POST, limited=True, timed_by_part=True),)
DPI = 200
"""Dots per inch at which pages of PDFs are rendered."""
_AHEAD = 3
"""Pages that are begun while one is waited for, so that the engine has work."""

router = APIRouter(tags=["Documents"])


class _Begun(NamedTuple):
    """A page that is being read."""

    number: int
    task: asyncio.Task[dict[str, Any]]
    texts: asyncio.Queue[str | None]
    """What is read of it as it comes, if that is asked for; None at the end."""


class DocumentReader:
    """Reads the pages of one document, a few at a time."""

    def __init__(self, job: Job, state: State, numbers: list[int]) -> None:
        self._asked = job.request
        self._document = job.document
        self._state = state
        self._numbers = numbers
        family = served_family()
        self._reads_pages = family is None or family.reads_pages
        self._family = asdict(family) if family else None
        taught = family is None or task_of(Task.MARKDOWN) in family.tasks
        self._prompt = Task.MARKDOWN if self._reads_pages and taught else DEFAULT_PROMPT
        self._model: str = state.openai_serving_models.base_model_paths[0].name
        url, profile = "data:image/png;base64,", answers.profile()
        body = wire_body(build_request(self._model, url, self._prompt, profile=profile))
        self._chat = ChatCompletionRequest.model_validate(body)

    @classmethod
    async def of(cls, job: Job, state: State) -> Self:
        """A reader of the pages that are asked for. Raises `APIError`."""
        count = await page_reader.page_count(job.document, job.request.password)
        return cls(job, state, page_numbers(job.request.pages, count))

    @property
    def _cut(self) -> str:
        """A model that reads pages is given the page as a whole, unless places are asked for that
        it does not tell itself."""
        if not self._reads_pages:
            return "lines"
        asked = self._asked
        places = asked.include_blocks or self._cuts_out
        told = answers.profile().form_of(self._prompt) in WITH_PLACES
        return "blocks" if places and not told else "page"

    @property
    def _cuts_out(self) -> bool:
        """Whether pictures are wanted as files."""
        asked = self._asked
        return asked.include_image_base64 or asked.bbox_annotation_format is not None

    async def pages(self) -> AsyncGenerator[dict[str, Any], None]:
        """Each page as it is answered, in order. A page that fails is there with its error."""
        async with aclosing(self.events()) as events:
            async for event in events:
                if "delta" not in event:
                    yield event

    async def events(self) -> AsyncGenerator[dict[str, Any], None]:
        """Each page, and before it the text that is read of it, if that is asked for."""
        begun: list[_Begun] = []
        waiting = iter(self._numbers)
        try:
            while True:
                while len(begun) <= _AHEAD and (number := next(waiting, None)) is not None:
                    begun.append(self._begin(number))
                if not begun:
                    return
                while (text := await begun[0].texts.get()) is not None:
                    yield {"index": begun[0].number, "delta": text}
                yield await begun.pop(0).task
        finally:
            for page in begun:
                page.task.cancel()
            await asyncio.gather(*(page.task for page in begun), return_exceptions=True)

    def _begin(self, number: int) -> _Begun:
        texts: asyncio.Queue[str | None] = asyncio.Queue()
        on_text = texts.put_nowait if self._asked.stream and self._asked.stream_text else None
        task = asyncio.create_task(self._page(number, on_text))
        task.add_done_callback(lambda _: texts.put_nowait(None))
        return _Begun(number, task, texts)

    async def _page(self, number: int, on_text: OnText | None) -> dict[str, Any]:
        asked = self._asked
        try:
            analysed = await page_reader.analyse(
                self._document,
                number,
                dpi=DPI,
                cut=self._cut,
                family=self._family,
                figures=self._cuts_out,
                text_layer=asked.text_layer == "prefer",
                password=asked.password,
            )
            # A page that the model reads in one go is followed word by word, others by pieces.
            whole = self._reads_pages and len(analysed.pieces) == 1
            ask = page_reader.PieceReader(
                self._chat,
                self._state,
                whole=self._reads_pages,
                on_text=on_text if whole else None,
            )
            read = await read_page(analysed, ask, None if whole else on_text)
            read = answers.understood(read, self._prompt)
            figures = analysed.figures or await self._figures(number, read)
            answer = PageAnswer(asked, number, read, figures)
            return answer.body(await self._annotations(answer))
        except APIError as exc:
            return failed_page(number, exc)

    async def _figures(self, number: int, page: ReadPage) -> list[bytes]:
        """The pictures that the model itself found on a page, if they are wanted as files."""
        boxes = [block.box for block in page.blocks if block.kind == "image"]
        if not boxes or not self._cuts_out:
            return []
        try:
            return await page_reader.cut_out(
                self._document,
                number,
                boxes,
                turned=page.layout.turned,
                dpi=DPI,
                password=self._asked.password,
            )
        except APIError:  # the text has been read, and is not lost for it
            return []

    async def _annotations(self, answer: PageAnswer) -> dict[str, str]:
        form = self._asked.bbox_annotation_format
        found = {}
        for figure in answer.figures if form else ():
            assert form is not None, "there is one"
            assert figure.jpeg is not None, "it was asked for"
            found[figure.id] = await annotate_figure(figure.jpeg, form, self._state)
        return found

    @property
    def annotates(self) -> bool:
        """Whether the text of all pages is needed in the end."""
        return self._asked.document_annotation_format is not None

    async def about(self, markdown: list[str]) -> dict[str, Any]:
        """What an answer says about the whole document, from the Markdown of its pages."""
        about: dict[str, Any] = {
            "model": self._model,
            "usage_info": {
                "pages_processed": len(self._numbers),
                "doc_size_bytes": self._document.size,
            },
            "document_annotation": None,
        }
        form = self._asked.document_annotation_format
        if form is not None:
            text = "\n\n".join(markdown)
            prompt = self._asked.document_annotation_prompt
            try:
                annotation = await annotate_document(text, form, prompt, self._state)
                about["document_annotation"] = annotation
            except APIError as exc:  # the pages have been read, and are not lost for it
                about["qwen_ocr"] = {"error": {"code": exc.code, "message": exc.message}}
        return about


def _form_fields() -> dict[str, Any]:
    schema = OCRRequest.model_json_schema()
    fields = {name: field for name, field in schema["properties"].items() if name != "document"}
    file = {"type": "string", "format": "binary", "description": "The document."}
    return {"type": "object", "required": ["file"], "properties": {"file": file, **fields}}


@router.post(
    ROUTES[0].path,
    summary="Read a document",
    response_model=None,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": OCRRequest.model_json_schema()},
                "multipart/form-data": {"schema": _form_fields()},
            },
        }
    },
)
@with_cancellation  # type: ignore[untyped-decorator]  # vLLM leaves it without types
async def read_document(job: Annotated[Job, Depends(read_job)], raw_request: Request) -> Response:
    """Read the pages of a PDF, an image or a TIFF. With `Accept: text/markdown`, as one text.

    Pages that fail are in the answer with their error, under `qwen_ocr`.
    """
    with ExitStack() as opened:
        opened.callback(job.document.close)
        reader = await DocumentReader.of(job, raw_request.app.state)
        if job.request.stream:
            events = _events(reader, opened.pop_all())
            return StreamingResponse(events, media_type="text/event-stream")
        pages = [page async for page in reader.pages()]
        texts = [page["markdown"] for page in pages]
        if raw_request.headers.get("accept", "").startswith("text/markdown"):
            return PlainTextResponse("\n\n".join(texts) + "\n", media_type="text/markdown")
        return JSONResponse({"pages": pages, **await reader.about(texts)})


async def _events(reader: DocumentReader, opened: ExitStack) -> AsyncIterator[str]:
    """A page each, its text before it if asked for, what is about all of them, the end."""
    texts: list[str] = []
    with opened:
        try:
            # Closed at once when the caller goes away, so that no further page is read.
            async with aclosing(reader.events()) as events:
                async for event in events:
                    if reader.annotates and "markdown" in event:
                        texts.append(event["markdown"])
                    yield f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
            about = await reader.about(texts)
            yield f"data: {json.dumps(about, ensure_ascii=False)}\n\n"
        except Exception:  # noqa: BLE001  # half an answer: an event is all that can tell
            error = internal_error()
            body = {"error": {"message": error.message, "code": error.status}}
            yield f"data: {json.dumps(body)}\n\n"
    yield "data: [DONE]\n\n"
