"""How far an answer can be trusted, as every way out of the server tells it."""

from typing import Any, NamedTuple

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionResponseChoice

from qwen_ocr.confidence import CUT_OFF, Token, mean_confidence, warnings_of, words_of


class Assessment(NamedTuple):
    """The model's confidence in a text, and what is doubtful about it."""

    confidence: float | None
    """0 to 1; None when there are no words."""
    warnings: tuple[str, ...]
    """Keys of `qwen_ocr.WARNINGS`."""

    @property
    def headers(self) -> dict[str, str]:
        """`X-Confidence` and `X-Warnings`, codes with commas between; each only if there is any."""
        headers = {}
        if self.confidence is not None:
            headers["X-Confidence"] = f"{self.confidence:.3f}"
        if self.warnings:
            headers["X-Warnings"] = ",".join(self.warnings)
        return headers

    def fields(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {"confidence": self.confidence, "warnings": list(self.warnings)}


def assess(choice: ChatCompletionResponseChoice) -> Assessment:
    """The assessment of an answer that was asked for with log-probabilities."""
    text = choice.message.content or ""
    content = (choice.logprobs.content if choice.logprobs else None) or []
    tokens = [Token.of(token.token, token.bytes, token.logprob) for token in content]
    confidence = mean_confidence(words_of(text, tokens))
    cut_off = choice.stop_reason == CUT_OFF
    return Assessment(confidence, warnings_of(text, confidence, cut_off=cut_off))
