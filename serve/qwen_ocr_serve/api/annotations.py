"""Fields filled from a document, or about a picture in it: answers in the form of a JSON Schema."""

import base64
import json

from starlette.datastructures import State
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

from qwen_ocr.prompts import Task
from qwen_ocr.schemas import closed
from qwen_ocr_serve.api.document_request import AnnotationFormat
from qwen_ocr_serve.api.engine_chat import complete_chat


async def annotate_document(
    text: str, form: AnnotationFormat, prompt: str | None, state: State
) -> str:
    """JSON about a document, from its Markdown. Raises `APIError`.

    From the text and not from the pages' pictures: those of a long document would not fit into the
    context, and have been read once already.
    """
    return await _ask({"type": "text", "text": text}, form, prompt, state)


async def annotate_figure(jpeg: bytes, form: AnnotationFormat, state: State) -> str:
    """JSON about a picture. Raises `APIError`."""
    url = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
    return await _ask({"type": "image_url", "image_url": {"url": url}}, form, None, state)


async def _ask(
    part: dict[str, object], form: AnnotationFormat, prompt: str | None, state: State
) -> str:
    schema = closed(form.json_schema.schema_)
    words = f"{prompt}\n\n{json.dumps(schema)}" if prompt else Task.KEY_VALUE(schema)
    request = ChatCompletionRequest.model_validate(
        {
            "messages": [{"role": "user", "content": [part, {"type": "text", "text": words}]}],
            "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": form.json_schema.name or "annotation", "schema": schema},
            },
        }
    )
    return (await complete_chat(request, state)).choices[0].message.content or ""
