"""Fields filled from a document, or about a picture in it: answers in the form of a JSON Schema."""

import base64

from starlette.datastructures import State
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionRequest,
    ChatCompletionResponse,
)
from vllm.entrypoints.serve.engine.protocol import ErrorResponse

from qwen_ocr_serve.api.document_request import AnnotationFormat
from qwen_ocr_serve.http.vllm_errors import from_answer

_FILL = "Fill the fields of this JSON Schema from the document. What it does not say is left empty."
_DESCRIBE = "Describe the picture in the fields of this JSON Schema."
_RETRY_AFTER = 5


async def annotate_document(
    text: str, form: AnnotationFormat, prompt: str | None, state: State
) -> str:
    """JSON about a document, from its Markdown. Raises `APIError`.

    From the text and not from the pages' pictures: those of a long document would not fit into the
    context, and have been read once already.
    """
    return await _ask([{"type": "text", "text": text}], form, prompt or _FILL, state)


async def annotate_figure(jpeg: bytes, form: AnnotationFormat, state: State) -> str:
    """JSON about a picture. Raises `APIError`."""
    url = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
    return await _ask([{"type": "image_url", "image_url": {"url": url}}], form, _DESCRIBE, state)


async def _ask(
    content: list[dict[str, object]], form: AnnotationFormat, prompt: str, state: State
) -> str:
    schema = form.json_schema.schema_
    words = f"{prompt}\n\n{schema}"
    request = ChatCompletionRequest.model_validate(
        {
            "messages": [{"role": "user", "content": [*content, {"type": "text", "text": words}]}],
            "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": form.json_schema.name or "annotation", "schema": schema},
            },
        }
    )
    answer = await state.openai_serving_chat.create_chat_completion(request, None)
    if isinstance(answer, ErrorResponse):
        raise from_answer(answer.error.code, answer.model_dump_json().encode(), _RETRY_AFTER)
    assert isinstance(answer, ChatCompletionResponse), "not a streaming request"
    return answer.choices[0].message.content or ""
