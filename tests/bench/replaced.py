"""The design that this product replaced, as it was: `python tests/bench/replaced.py PORT TOKENS`.

FastAPI; one `generate` call of transformers per request, in the default thread pool, under a
semaphore of 10. `POST /api/v1/ocr` with a base64 image and a prompt; `GET /health` with counters.
Every answer has exactly TOKENS tokens, so that the same work is compared.
"""

from __future__ import annotations

import asyncio
import base64
import io
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI
from PIL import Image
from pydantic import BaseModel

from qwen_ocr_serve.launch.cpu import computes_in_32_bits
from qwen_ocr_serve.launch.installation import Installation
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH, ServeSettings
from qwen_ocr_serve.vllm_patches.torchvision_compat import declare_on_import

MAX_CONCURRENT = 10


class OCRRequest(BaseModel):
    """Body of `POST /api/v1/ocr`."""

    image: str
    text: str


class Reader:
    """The model and its processor, as `generate` wants them."""

    def __init__(self, tokens: int) -> None:
        declare_on_import()  # before transformers imports torchvision
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self.tokens = tokens
        self.processor = AutoProcessor.from_pretrained(BUNDLED_MODEL_PATH)
        # In as many bits as our server, whichever are faster here.
        wide = computes_in_32_bits(ServeSettings(), Installation.detect())
        self.model = AutoModelForImageTextToText.from_pretrained(
            BUNDLED_MODEL_PATH, dtype=torch.float32 if wide else "auto"
        ).eval()

    @torch.inference_mode()
    def read(self, encoded: str, prompt: str) -> str:
        """The text of one base64 image."""
        image = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
        content = [{"type": "image", "image": image}, {"type": "text", "text": prompt}]
        inputs = self.processor.apply_chat_template(
            [{"role": "user", "content": content}],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        )
        output = self.model.generate(
            **inputs, max_new_tokens=self.tokens, min_new_tokens=self.tokens, do_sample=False
        )
        answer = output[:, inputs["input_ids"].shape[1] :]
        return str(self.processor.batch_decode(answer, skip_special_tokens=True)[0])


def service(tokens: int) -> FastAPI:
    """The application; the model is loaded when it starts."""
    state: dict[str, Any] = {"running": 0}

    @asynccontextmanager
    async def load(_: FastAPI) -> AsyncIterator[None]:
        state["reader"] = Reader(tokens)
        state["semaphore"] = asyncio.Semaphore(MAX_CONCURRENT)
        yield

    app = FastAPI(lifespan=load)

    @app.post("/api/v1/ocr")
    async def ocr(body: OCRRequest) -> dict[str, Any]:
        async with state["semaphore"]:
            state["running"] += 1
            try:
                loop = asyncio.get_running_loop()
                text = await loop.run_in_executor(None, state["reader"].read, body.image, body.text)
            finally:
                state["running"] -= 1
        return {"success": True, "data": [text], "message": ""}

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {"status": "healthy", "concurrent_requests": state["running"]}

    return app


if __name__ == "__main__":
    uvicorn.run(service(int(sys.argv[2])), port=int(sys.argv[1]), log_level="warning")
