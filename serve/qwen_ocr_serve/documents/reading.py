"""A page that is read in pieces: its requests to the engine, and its text put together."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from qwen_ocr.confidence import Token, mean_confidence, warnings_of, words_of
from qwen_ocr.results import Word
from qwen_ocr.spacing import gap_between, join_row
from qwen_ocr_serve.documents.layout import Block, Kind, Layout, Piece
from qwen_ocr_serve.documents.lines import Box
from qwen_ocr_serve.documents.workers import AnalysedPage

IN_FLIGHT = 24
"""Pieces of one page that the engine works on at a time, so that no page keeps others waiting."""

_JOINTS = (" ", "\n", "\n\n")
"""From the weakest to the strongest."""
_LONG_TITLE = 40
"""Characters of a title, from which on one that ends like a sentence is none."""
_GOES_ON = (*".:;,", *"。：；，")
"""How running text ends, and a title does not."""
_PROBE, _HOPELESS = 150, 0.3
"""A page is given up when so many pieces have been read with less confidence than this on average:
noise has thousands of them. Pages of handwriting and of other scripts have fewer."""


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
    tokens: list[Token]
    """In which the model wrote it."""
    cut_off: bool
    """Whether the model went on beyond what can stand there, so that its text was cut off."""


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block of a page with its text; `prose`, `level` and `whole` are as in `layout.Block`."""

    kind: Kind
    box: Box
    prose: bool
    level: int
    whole: bool
    rows: tuple[tuple[ReadPiece, ...], ...]

    @property
    def lines(self) -> list[str]:
        """The text of each row that has any."""
        texts = (join_row((piece.text, piece.piece.box) for piece in row) for row in self.rows)
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
    doubts: tuple[str, ...] = ()
    """Keys of `qwen_ocr.WARNINGS` that follow from what the model itself says."""

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
        doubts = ("vertical_text",) * self.layout.vertical + self.doubts
        return (*warnings_of(self.text, self.confidence, cut_off=cut_off), *doubts)


class Part(NamedTuple):
    """What a piece adds to the text of a page."""

    joint: str
    """What comes before it; empty if there is no text before it, or it has none."""
    answer: Answer
    last: bool


async def read_pieces(page: AnalysedPage, ask: Ask) -> AsyncGenerator[Part, None]:
    """What each piece adds, in reading order. Pieces without text leave no empty lines.

    Raises what `ask` does. Ended early, it asks for no more. It also asks for no more when the
    first pieces show that the page cannot be read, see `_HOPELESS`.
    """
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(picture: bytes) -> Answer:
        async with gate:
            return await ask(picture)

    tasks = [asyncio.create_task(one(picture)) for picture in page.pieces]
    waiting = iter(tasks)
    places = list(_places(page.layout))
    confidences: list[float] = []
    joint, before = "", ("", (0, 0, 0, 0))
    try:
        for number, (piece, following) in enumerate(places, 1):
            if piece.text is not None:
                answer = Answer(piece.text, [], [], 0, 0, "stop")
            elif len(confidences) >= _PROBE and _mean(confidences) < _HOPELESS:
                answer = Answer("", [], [], 0, 0, "unreadable")
            else:
                answer = await next(waiting)
                confidence = mean_confidence(words_of(answer.text, answer.tokens))
                confidences += [] if confidence is None else [confidence]
            has_text = bool(answer.text.strip())
            if joint == " ":
                joint = gap_between(*before, answer.text, piece.box)
            yield Part(joint if has_text else "", answer, number == len(places))
            if has_text:
                joint, before = following, (answer.text, piece.box)
            elif joint:
                joint = max(joint, following, key=_JOINTS.index)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _places(layout: Layout) -> Iterator[tuple[Piece, str]]:
    """Each piece, and what comes between it and the next one."""
    for block in layout.blocks:
        for row in block.rows:
            for piece in row[:-1]:
                yield piece, " "
            yield row[-1], "\n\n" if row is block.rows[-1] else "\n"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


async def read_page(
    page: AnalysedPage, ask: Ask, on_text: Callable[[str], None] | None = None
) -> ReadPage:
    """The page with its text. Raises what `ask` does.

    `on_text` is called with what each piece adds to the text, in reading order.
    """
    answers: list[Answer] = []
    async with aclosing(read_pieces(page, ask)) as parts:
        async for joint, answer, _ in parts:
            answers.append(answer)
            if on_text is not None and answer.text:
                on_text(joint + answer.text)
    waiting = iter(answers)

    def read(block: Block) -> ReadBlock:
        rows = tuple(
            tuple(_read_piece(piece, next(waiting)) for piece in row) for row in block.rows
        )
        read = ReadBlock(block.kind, block.box, block.prose, block.level, block.whole, rows)
        return replace(read, kind="text") if _is_sentence(read) else read

    return ReadPage(page.layout, tuple(read(block) for block in page.layout.blocks))


def _is_sentence(block: ReadBlock) -> bool:
    """Whether what was taken for a title by its size is running text."""
    text = block.text
    return block.kind == "title" and len(text) > _LONG_TITLE and text.endswith(_GOES_ON)


def _read_piece(piece: Piece, answer: Answer) -> ReadPiece:
    words = words_of(answer.text, answer.tokens)
    text, cut_off = answer.text.strip(), answer.finish_reason != "stop"
    return ReadPiece(piece, text, words, answer.tokens, cut_off)
