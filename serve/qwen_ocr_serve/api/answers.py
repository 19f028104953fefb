"""What the served model wrote about an image, as text and blocks: see `qwen_ocr.markup`."""

from dataclasses import dataclass, replace

from qwen_ocr.blocks import Block, Parsed
from qwen_ocr.boxes import pixels_of
from qwen_ocr.confidence import warnings_of
from qwen_ocr.markup import read_markup, without_thought
from qwen_ocr.profiles import PROFILES, Profile
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


@dataclass(frozen=True, slots=True)
class WrittenPage(ReadPage):
    """A page in the Markdown that the model wrote, with the blocks that it told apart."""

    answer: Parsed

    @property
    def markdown(self) -> str:
        """All of it, also what the model gives no box for."""
        return self.answer.markdown

    @property
    def warnings(self) -> tuple[str, ...]:
        """Keys of `qwen_ocr.WARNINGS`."""
        doubts = {"turned": bool(self.answer.turned), "not_understood": not self.answer.understood}
        found = warnings_of(self.markdown, self.confidence)
        return (*found, *(code for code, holds in doubts.items() if holds))


def in_blocks(page: ReadPage, prompt: str) -> ReadPage:
    """A page that was read as a whole, in the blocks that the model tells apart."""
    if [block.kind for block in page.blocks] != ["page"]:
        return page
    (whole,) = page.blocks
    answer = parsed(whole.text, prompt)
    size = page.analysis.width, page.analysis.height
    blocks = [
        ReadBlock(block.kind, box, block.text, prose=False, confidence=None)
        for block in answer.blocks
        if (box := _box_of(block, size))
    ]
    found = tuple(blocks) or (replace(whole, text=answer.markdown),)
    return WrittenPage(page.analysis, found, page.words, answer)


def _box_of(block: Block, size: tuple[int, int]) -> Box | None:
    """Where a block is, in pixels of a page of `size`, which the engine got as it is."""
    if block.box is None:
        return None
    family = replace(profile().family, longest_side=None)
    sent = family.resized(family.fit(size, family.max_tokens))
    return pixels_of(block.box, size, family.box_range or sent)
