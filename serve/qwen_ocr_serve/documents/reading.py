"""A page that is read in pieces: its requests to the engine, and its text put together."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NamedTuple

from qwen_ocr.confidence import Token, mean_confidence, warnings_of, words_of
from qwen_ocr.results import Word
from qwen_ocr_serve.documents.layout import Block, Kind, Layout, Piece
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
class ReadPiece:
    """A part of a row with its text."""

    piece: Piece
    text: str
    words: tuple[Word, ...]
    cut_off: bool
    """Whether the model went on beyond what can stand there, so that its text was cut off."""


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block of a page with its text."""

    kind: Kind
    box: Box
    prose: bool
    level: int
    rows: tuple[tuple[ReadPiece, ...], ...]

    @property
    def lines(self) -> list[str]:
        """The text of each row that has any."""
        texts = (" ".join(piece.text for piece in row if piece.text) for row in self.rows)
        return [text for text in texts if text]

    @property
    def text(self) -> str:
        """Rows on lines of their own; empty for a picture."""
        return "\n".join(self.lines)

    @property
    def cells(self) -> list[list[str]]:
        """The text of each cell of a table, row by row."""
        count = 1 + max(piece.piece.column for row in self.rows for piece in row)
        cells = []
        for row in self.rows:
            texts: list[list[str]] = [[] for _ in range(count)]
            for piece in row:
                texts[piece.piece.column].append(piece.text)
            cells.append([" ".join(filter(None, parts)) for parts in texts])
        return cells

    @property
    def words(self) -> tuple[Word, ...]:
        """With the model's confidence in each."""
        return tuple(word for row in self.rows for piece in row for word in piece.words)

    @property
    def confidence(self) -> float | None:
        """The model's confidence in the text, 0 to 1; None when there are no words."""
        return mean_confidence(self.words)


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page that was read."""

    layout: Layout
    blocks: tuple[ReadBlock, ...]

    @property
    def text(self) -> str:
        """All text: lines as they are on the page, and an empty line between blocks."""
        return "\n\n".join(block.text for block in self.blocks if block.text)

    @property
    def words(self) -> tuple[Word, ...]:
        """With the model's confidence in each; none of a text that it did not read."""
        return tuple(word for block in self.blocks for word in block.words)

    @property
    def confidence(self) -> float | None:
        """The model's confidence in the text, 0 to 1; None when there are no words."""
        return mean_confidence(self.words)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Keys of `qwen_ocr.WARNINGS`."""
        pieces = [piece for block in self.blocks for row in block.rows for piece in row]
        cut_off = any(piece.cut_off for piece in pieces)
        return warnings_of(self.text, self.confidence, cut_off=cut_off)


async def read_pieces(page: AnalysedPage, ask: Ask) -> AsyncGenerator[tuple[Answer, str], None]:
    """The answer about each piece, in reading order, and what comes between it and the next one.

    Raises what `ask` does. Ended early, it asks for no more.
    """
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(picture: bytes) -> Answer:
        async with gate:
            return await ask(picture)

    tasks = [asyncio.create_task(one(picture)) for picture in page.pieces]
    waiting = iter(tasks)
    try:
        for piece, joint in _joints(page.layout):
            if piece.text is None:
                yield await next(waiting), joint
            else:
                yield Answer(piece.text, [], [], 0, 0, "stop"), joint
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _joints(layout: Layout) -> Iterator[tuple[Piece, str]]:
    """Each piece, and what comes between it and the next one."""
    blocks = [block for block in layout.blocks if block.rows]
    for block in blocks:
        for row in block.rows:
            for piece in row[:-1]:
                yield piece, " "
            last_row = row is block.rows[-1]
            last = last_row and block is blocks[-1]
            yield row[-1], "" if last else "\n\n" if last_row else "\n"


async def read_page(page: AnalysedPage, ask: Ask) -> ReadPage:
    """The page with its text. Raises what `ask` does."""
    async with aclosing(read_pieces(page, ask)) as pieces:
        answers = [answer async for answer, _ in pieces]
    waiting = iter(answers)

    def read(block: Block) -> ReadBlock:
        rows = tuple(
            tuple(_read_piece(piece, next(waiting)) for piece in row) for row in block.rows
        )
        return ReadBlock(block.kind, block.box, block.prose, block.level, rows)

    return ReadPage(page.layout, tuple(read(block) for block in page.layout.blocks))


def _read_piece(piece: Piece, answer: Answer) -> ReadPiece:
    words = words_of(answer.text, answer.tokens)
    return ReadPiece(piece, answer.text.strip(), words, answer.finish_reason != "stop")
