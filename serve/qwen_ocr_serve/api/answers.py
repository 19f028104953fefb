"""What the served model wrote about an image, as text and blocks: see `qwen_ocr.markup`."""

from dataclasses import replace
from typing import cast

from qwen_ocr.blocks import Block, Parsed
from qwen_ocr.boxes import pixels_of
from qwen_ocr.confidence import words_within
from qwen_ocr.markup import read_markup, without_thought
from qwen_ocr.profiles import PROFILES, Profile
from qwen_ocr_serve.documents.layout import Kind, Piece
from qwen_ocr_serve.documents.lines import Box
from qwen_ocr_serve.documents.reading import ReadBlock, ReadPage
from qwen_ocr_serve.models.profiles import served_profile


def profile() -> Profile:
    """That of the served model, or Qwen3-VL's for one of which nothing is known."""
    return served_profile() or PROFILES[-1]


def parsed(text: str, prompt: str) -> Parsed:
    """What an answer to a prompt says: it is read in the model's form if the prompt is a task."""
    form = profile().form_of(prompt)
    return Parsed(without_thought(text)) if form is None else read_markup(text, form)


def understood(page: ReadPage, prompt: str) -> ReadPage:
    """A page with what the model wrote in a form of its own as Markdown, and in its own blocks.

    Blocks that were read line by line are text already, and stay as they are.
    """
    blocks: list[ReadBlock] = []
    doubts: list[str] = []
    for block in page.blocks:
        if block.whole:
            answer = parsed(block.text, prompt)
            blocks += _blocks_of(block, answer, (page.layout.width, page.layout.height))
            doubts += ["turned"] if answer.turned else []
            doubts += [] if answer.understood else ["not_understood"]
        else:
            blocks.append(block)
    return ReadPage(page.layout, tuple(blocks), tuple(dict.fromkeys(doubts)))


def _blocks_of(block: ReadBlock, answer: Parsed, size: tuple[int, int]) -> list[ReadBlock]:
    """What the model told apart, where it said of all of it where it is; else the block alone."""
    ((piece,),) = block.rows
    words = words_within(answer.markdown, piece.tokens) or piece.words
    boxes = [box for part in answer.blocks if (box := _box_of(part, size))]
    if block.kind != "page" or not boxes or len(boxes) < len(answer.blocks):
        piece = replace(piece, text=answer.markdown, words=words)
        return [replace(block, rows=((piece,),))]
    found = []
    for part, box in zip(answer.blocks, boxes, strict=True):
        piece = replace(piece, piece=Piece(box), text=part.text, words=words)
        found.append(replace(block, kind=cast("Kind", part.kind), box=box, rows=((piece,),)))
        words = ()  # which are those of the whole page, and counted once
    return found


def _box_of(block: Block, size: tuple[int, int]) -> Box | None:
    """Where a block is, in pixels of a page of `size`, of which the engine got what fits."""
    if block.box is None:
        return None
    family = profile().family
    sent = family.resized(family.fit(size))
    return pixels_of(block.box, size, family.box_range or sent)
