"""Which parameters the OpenAI routes take, and why.

vLLM's chat and responses requests have about a hundred parameters, most of them for its own
developers, and some can stop a server. So these are lists of what is taken, not of what is refused.
`docs/http-api.md` is made from them.
"""

from collections.abc import Mapping
from typing import Any

from qwen_ocr_serve.http.errors import APIError

_SHARED = {
    "model": "the served model; any other name is an error",
    "temperature": "0, the default here, reads; more is for another try after a loop",
    "top_p": "OpenAI's sampling",
    "top_logprobs": "the next likely tokens of each place, at most 20",
    "frequency_penalty": "OpenAI's sampling; spoils tables",
    "presence_penalty": "OpenAI's sampling; spoils tables",
    "logit_bias": "OpenAI's sampling",
    "stream": "text as it is written",
    "stream_options": "`include_usage`: token counts at the end of a stream",
    "tools": "functions, for agents that read on the way",
    "tool_choice": "which of them",
    "parallel_tool_calls": "whether several at once",
    "metadata": "taken and not used, as SDKs send it",
    "service_tier": "taken and not used, as SDKs send it",
    "store": "taken and not used: nothing is stored",
    "user": "taken and not used, as SDKs send it",
    "safety_identifier": "taken and not used, as SDKs send it",
    "prompt_cache_key": "taken and not used, as SDKs send it",
    # vLLM's, for reading.
    "top_k": "vLLM's sampling, which some checkpoints' cards ask for",
    "min_p": "vLLM's sampling",
    "repetition_penalty": "vLLM's sampling; spoils tables",
    "seed": "the same answer again at a temperature above 0",
    "stop": "strings at which the answer ends",
    "ignore_eos": "an answer of a fixed length, to measure speed",
    "skip_special_tokens": "`false` shows the marks that some checkpoints write around text",
    "structured_outputs": "vLLM's form of `response_format`: `json` and `json_object`; "
    "`regex`, `choice` and `grammar` with `--allow-grammars`",
    "chat_template_kwargs": "`enable_thinking` of models that can think",
    "include_reasoning": "`false` leaves a model's thinking out of the answer",
}

CHAT: Mapping[str, str] = {
    "messages": "what to read, and the prompt",
    **_SHARED,
    "max_completion_tokens": "the longest answer",
    "max_tokens": "the same, as older SDKs call it",
    "n": "several answers, at most 16",
    "logprobs": "how sure the model is of each token",
    "response_format": "JSON, or JSON by a schema",
    "reasoning_effort": "OpenAI's name for how long a model thinks",
    "repetition_detection": "ends an answer that goes round in a loop, see `qwen_ocr.repetition`",
}
"""Parameters of `/v1/chat/completions`, with the reason for each."""

RESPONSES: Mapping[str, str] = {
    "input": "what to read, and the prompt",
    "instructions": "a prompt before it",
    **_SHARED,
    "max_output_tokens": "the longest answer",
    "include": "`message.output_text.logprobs`: how sure the model is of each token",
    "text": "`format`: JSON, or JSON by a schema",
    "reasoning": "how long a model thinks",
    "truncation": "`disabled`, the default: a request that is too long is an error",
}
"""Parameters of `/v1/responses`, with the reason for each."""


GRAMMARS = ("regex", "choice", "grammar")
"""Kinds of `structured_outputs` that are taken with `--allow-grammars` only."""
_JSON = frozenset(
    {"json", "json_object", "disable_any_whitespace", "disable_additional_properties"}
)
_FORMATS = frozenset({"text", "json_object", "json_schema"})


def check_parameters(
    data: Mapping[str, Any], allowed: Mapping[str, str], *, allow_grammars: bool
) -> None:
    """Raise `APIError` for a parameter that is not in the list. Null is as good as left out."""
    for name, value in data.items():
        if name not in allowed and value is not None:
            raise _unsupported(name, "leave it out; docs/http-api.md lists those that it takes")
    structured = data.get("structured_outputs")
    if isinstance(structured, Mapping):
        for name, value in structured.items():
            if name in GRAMMARS and allow_grammars:
                continue
            if name not in _JSON and value is not None:
                advice = "use a JSON Schema"
                if name in GRAMMARS:
                    advice += ", or start the server with --allow-grammars"
                raise _unsupported(f"structured_outputs.{name}", advice)
    text = data.get("text")
    for name, form in (
        ("response_format", data.get("response_format")),
        ("text.format", text.get("format") if isinstance(text, Mapping) else None),
    ):
        kind = form.get("type") if isinstance(form, Mapping) else None
        if isinstance(kind, str) and kind not in _FORMATS:
            raise _unsupported(f"{name}.type", f"it is one of {', '.join(sorted(_FORMATS))}")
    tools = data.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, Mapping) and tool.get("type", "function") != "function":
            raise _unsupported("tools.type", "it is always 'function'")


def _unsupported(name: str, advice: str) -> APIError:
    shown = name[:100]
    message = f"this server does not take the parameter {shown!r}: {advice}"
    return APIError(400, "unsupported_parameter", message, param=shown)


def table(parameters: Mapping[str, str]) -> str:
    """The list as Markdown."""
    rows = (f"| `{name}` | {reason} |" for name, reason in parameters.items())
    return "\n".join(["| parameter | what for |", "|---|---|", *rows])


if __name__ == "__main__":
    print(table(CHAT), table(RESPONSES), sep="\n\n")
