"""Requests that hurt others: refused after their image was looked at, or costly out of proportion.

Each was seen to spoil another caller's request, or to stop a server, before there were limits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
MIB = 2**20

REFUSALS: dict[str, dict[str, Any]] = {
    "negative max_tokens": {"max_tokens": -1},
    "temperature 99": {"temperature": 99},
    "top_logprobs 999": {"logprobs": True, "top_logprobs": 999},
    "a schema of an unknown type": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": "nothing"}},
        }
    },
    "an empty stop": {"stop": [""]},
    "an empty bad word": {"bad_words": [""]},
    "min_tokens above max_tokens": {"min_tokens": 9, "max_tokens": 1},
    "logit_bias of no token": {"logit_bias": {"99999999": 1}},
    "a broken regular expression": {"structured_outputs": {"regex": "(["}},
    "top_p 9": {"top_p": 9},
    "top_k -9": {"top_k": -9},
}
"""Fields that make a chat request one that vLLM refuses."""


def chat(image_url: str, **fields: object) -> dict[str, Any]:
    """A chat request for one image, with other fields."""
    content = [
        {"type": "image_url", "image_url": {"url": image_url}},
        {"type": "text", "text": "Read all the text in the image."},
    ]
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 8, **fields}


@dataclass(frozen=True)
class Heavy:
    """A request that costs much; its body is made when it is sent."""

    name: str
    body: Callable[[], bytes]
    path: str = CHAT
    copies: int = 1
    """How many of it are sent at the same time."""


def _say(text: object = "x", **fields: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 8, **fields}


def _ask(**fields: object) -> dict[str, Any]:
    return {"input": "x", "max_output_tokens": 8, **fields}


def _formatted(schema: object) -> dict[str, Any]:
    wrapper = {"name": "x", "schema": schema}
    return _say(response_format={"type": "json_schema", "json_schema": wrapper})


def _reference_chain(count: int) -> dict[str, Any]:
    links = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(count)}
    return {"$defs": {**links, f"d{count}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def _object_chain(count: int) -> dict[str, Any]:
    links = {
        f"d{i}": {"type": "object", "properties": {"a": {"$ref": f"#/$defs/d{i + 1}"}}}
        for i in range(count)
    }
    return {"$defs": {**links, f"d{count}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def _rules(count: int) -> str:
    rules = [f"r{i}: r{i + 1}" for i in range(count)]
    return "\n".join(["start: r0", *rules, f'r{count}: "x"'])


def heavy_requests(image_url: str) -> Iterator[Heavy]:
    """All of them; `image_url` is an image that the model reads."""

    def heavy(
        name: str, make: Callable[[], dict[str, Any]], path: str = CHAT, copies: int = 1
    ) -> Heavy:
        return Heavy(name, lambda: json.dumps(make()).encode(), path, copies)

    chain, objects = _reference_chain(5000), _object_chain(5000)
    yield heavy("5,000 references, chat", lambda: _formatted(chain))
    yield heavy("5,000 objects, chat", lambda: _formatted(objects))
    text = {"format": {"type": "json_schema", "name": "x", "schema": chain}}
    yield heavy("5,000 references, responses", lambda: _ask(text=text), RESPONSES)
    rules = {"grammar": _rules(5000)}
    yield heavy("5,000 rules, chat", lambda: _say(structured_outputs=rules))
    yield heavy("5,000 rules, responses", lambda: _ask(structured_outputs=rules), RESPONSES)
    for size in (4, 30):
        yield heavy(
            f"text of {size} MiB, truncated",
            lambda size=size: _say("word " * (size * MIB // 5), truncate_prompt_tokens=10),  # type: ignore[misc]
        )
    yield heavy(
        "100,000 choices",
        lambda: _say(structured_outputs={"choice": [f"value {i}" for i in range(100_000)]}),
    )
    yield heavy(
        "minItems 1,000,000", lambda: _formatted({"type": "array", "minItems": 10**6, "items": {}})
    )
    yield heavy(
        "500,000 messages",
        lambda: {"messages": [{"role": "user", "content": "x"}] * 500_000, "max_tokens": 8},
    )
    yield heavy("beam search", lambda: chat(image_url, use_beam_search=True, n=4, max_tokens=20))
    yield heavy(
        "30 bodies of 30 MiB", lambda: chat("data:image/png;base64," + "A" * (30 * MIB)), copies=30
    )
    yield heavy(
        "5,000 choices",
        lambda: _say(structured_outputs={"choice": [f"value {i}" for i in range(5_000)]}),
    )
    properties = {f"p{i}": {"type": "string"} for i in range(3000)}
    yield heavy(
        "3,000 properties", lambda: _formatted({"type": "object", "properties": properties})
    )
    yield heavy("an image, truncated", lambda: chat(image_url, truncate_prompt_tokens=1))
    yield heavy("vllm_xargs", lambda: _say(vllm_xargs={"kv_transfer_params": "x"}))
    yield heavy("1,000,000 bad words", lambda: _say(bad_words=["x"] * 1_000_000))
    yield heavy("500,000 texts", lambda: _say([{"type": "text", "text": "x"}] * 500_000))
    yield heavy("2,000,000 other keys", lambda: _say() | {f"k{i}": 1 for i in range(2_000_000)})
    expression = "|".join(f"a{i}" for i in range(200_000))
    yield heavy("200,000 alternatives", lambda: _say(structured_outputs={"regex": expression}))
