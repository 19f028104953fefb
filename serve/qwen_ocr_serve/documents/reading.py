"""A page that is read in pieces: its requests to the engine, and its text put together."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from qwen_ocr.confidence import Token, mean_confidence, warnings_of, words_of
from qwen_ocr.results import Word
from qwen_ocr_serve.documents.analysis import Analysis
from qwen_ocr_serve.documents.lines import Box
from qwen_ocr_serve.documents.workers import AnalysedPage

IN_FLIGHT = 24
"""Pieces of one page that the engine works on at a time, so that no page keeps others waiting."""


class Answer(NamedTuple):
    """What the engine made of a piece."""

    text: str
    tokens: list[Token]
    raw: list[Any]
    """The tokens as the engine's interface has them."""
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str


Ask = Callable[[bytes], Awaitable[Answer]]
"""Asks the engine for the text of a PNG file."""


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block of a page with its text."""

    kind: str
    """As in `analysis.Block`."""
    box: Box
    text: str
    """Rows on lines of their own; empty for a picture."""
    prose: bool
    """Whether the rows are lines of running text."""
    confidence: float | None


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page that was read."""

    analysis: Analysis
    blocks: tuple[ReadBlock, ...]
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """All text: lines as they are on the page, and an empty line between blocks."""
        return "\n\n".join(block.text for block in self.blocks if block.text)

    @property
    def confidence(self) -> float | None:
        """The model's confidence in the text, 0 to 1; None when there are no words."""
        return mean_confidence(self.words)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Keys of `qwen_ocr.WARNINGS`."""
        return warnings_of(self.text, self.confidence)

    @property
    def markdown(self) -> str:
        """Titles as headings, running text without its line breaks, other rows with theirs."""
        parts = []
        for block in self.blocks:
            if not block.text:
                continue
            if block.kind == "title":
                parts.append("# " + " ".join(block.text.split()))
            elif block.prose:
                parts.append(" ".join(block.text.split()))
            elif block.kind == "page":
                parts.append(block.text)
            else:
                parts.append("  \n".join(block.text.splitlines()))  # Markdown's line break
        return "\n\n".join(parts)


async def read_pieces(page: AnalysedPage, ask: Ask) -> AsyncGenerator[tuple[Answer, str], None]:
    """The answer about each piece, in reading order, and what comes between it and the next one.

    Raises what `ask` does. Ended early, it asks for no more.
    """
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(piece: bytes) -> Answer:
        async with gate:
            return await ask(piece)

    tasks = [asyncio.create_task(one(piece)) for piece in page.pieces]
    try:
        for task, joint in zip(tasks, _joints(page.analysis), strict=True):
            yield await task, joint
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _joints(analysis: Analysis) -> list[str]:
    joints: list[str] = []
    for block in analysis.blocks:
        for count in block.rows:
            joints += [" "] * (count - 1) + ["\n"]
        if block.rows:
            joints[-1] = "\n\n"
    if joints:
        joints[-1] = ""
    return joints


def put_together(analysis: Analysis, answers: Iterable[tuple[Answer, str]]) -> ReadPage:
    """The page, from the answers about all its pieces, in reading order."""
    waiting = iter(answers)
    blocks: list[ReadBlock] = []
    words: list[Word] = []
    for block in analysis.blocks:
        text = ""
        of_block: list[Word] = []
        for answer, joint in islice(waiting, sum(block.rows)):
            text += answer.text + joint
            of_block += words_of(answer.text, answer.tokens)
        confidence = mean_confidence(of_block)
        blocks.append(ReadBlock(block.kind, block.box, text.strip(), block.prose, confidence))
        words += of_block
    return ReadPage(analysis, tuple(blocks), tuple(words))
