"""A page put together from the answers about its pieces."""

import asyncio
import math
from contextlib import aclosing

from qwen_ocr.confidence import Token
from qwen_ocr_serve.documents.layout import Block, Layout, Piece
from qwen_ocr_serve.documents.reading import Answer, read_page, read_pieces
from qwen_ocr_serve.documents.workers import AnalysedPage

BOX = (0, 0, 10, 10)


def answer(text: str, confidence: float = 1.0, finish_reason: str = "stop") -> Answer:
    tokens = [Token(text.encode(), math.log(confidence))]
    return Answer(text, tokens, [], 40, len(text), finish_reason)


def page(*blocks: Block) -> AnalysedPage:
    """A page whose pieces are their own numbers."""
    count = sum(p.text is None for block in blocks for row in block.rows for p in row)
    return AnalysedPage(
        Layout(100, 100, 72, 0, 0.0, blocks), [str(number).encode() for number in range(count)], []
    )


def text(*rows: int) -> Block:
    """A paragraph with so many pieces in each row."""
    return Block("text", BOX, tuple(tuple(Piece(BOX) for _ in range(n)) for n in rows))


async def joined(analysed: AnalysedPage, texts: dict[bytes, str]) -> str:
    async def ask(piece: bytes) -> Answer:
        return answer(texts[piece])

    async with aclosing(read_pieces(analysed, ask)) as parts:
        found = [part async for part in parts]
    assert [part.last for part in found] == [False] * (len(found) - 1) + [True]
    return "".join(part.joint + part.answer.text for part in found)


async def test_pieces_rows_and_blocks() -> None:
    analysed = page(text(2, 1), Block("image", BOX), text(1))
    texts = {b"0": "one", b"1": "two", b"2": "three", b"3": "four"}
    assert await joined(analysed, texts) == "one two\nthree\n\nfour"


async def test_pieces_without_text_leave_no_lines() -> None:
    analysed = page(text(1), text(2, 1), text(1))
    texts = {b"0": "one", b"1": "", b"2": " ", b"3": "", b"4": "two"}
    assert (await joined(analysed, texts)).split() == ["one", "two"]
    assert "\n\n\n" not in await joined(analysed, texts)
    assert not (await joined(analysed, dict.fromkeys(texts, ""))).strip()


async def test_pieces_of_a_line_of_chinese_have_no_spaces_between_them() -> None:
    boxes = [(0, 0, 40, 10), (42, 0, 80, 10), (82, 0, 120, 10), (160, 0, 200, 10)]
    analysed = page(Block("text", BOX, (tuple(map(Piece, boxes)),)))
    texts = {b"0": "委员会推", b"1": "迟了表决", b"2": "vLLM", b"3": "部署"}
    whole = "委员会推迟了表决 vLLM 部署"
    assert await joined(analysed, texts) == whole

    async def ask(piece: bytes) -> Answer:
        return answer(texts[piece])

    assert (await read_page(analysed, ask)).text == whole


async def test_text_that_is_known_is_not_asked_for() -> None:
    known = Block("text", BOX, ((Piece(BOX, text="from the PDF"),),))

    async def ask(piece: bytes) -> Answer:
        raise AssertionError("nothing is to be read")

    read = await read_page(page(known), ask)
    assert (read.text, read.confidence, read.warnings) == ("from the PDF", None, ())


async def test_a_piece_that_was_cut_off_flags_its_page() -> None:
    async def ask(piece: bytes) -> Answer:
        return answer("word", finish_reason="length" if piece == b"1" else "stop")

    read = await read_page(page(text(1, 1, 1)), ask)
    assert read.text == "word\nword\nword"
    assert read.warnings == ("cut_off",)


async def test_a_page_of_noise_is_given_up() -> None:
    asked = []

    async def ask(piece: bytes) -> Answer:
        asked.append(piece)
        await asyncio.sleep(0)
        return answer("x#!", 0.1)

    read = await read_page(page(text(*[1] * 1000)), ask)
    assert len(asked) < 300
    assert read.warnings == ("low_confidence", "cut_off")
    assert len(read.blocks[0].lines) == 150


async def test_cells_of_a_table() -> None:
    rows = (
        (Piece(BOX, column=0), Piece(BOX, column=1), Piece(BOX, column=1)),
        (Piece(BOX, column=1),),
    )

    async def ask(piece: bytes) -> Answer:
        return answer(f"t{piece.decode()}")

    read = await read_page(page(Block("table", BOX, rows)), ask)
    assert read.blocks[0].cells == [["t0", "t1 t2"], ["", "t3"]]
