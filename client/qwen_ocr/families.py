"""What differs from one model family to the next: the table that client and server both read.

A vision model of the Qwen-VL line cuts an image into squares of `factor` × `factor` pixels and
turns each into one token, after rounding both sides of the image to multiples of `factor`. So
tokens × factor² is a number of pixels, and a budget in tokens is a budget in pixels. The numbers
are those of the `preprocessor_config.json` that each family is published with.
"""

import math
import re
from dataclasses import dataclass

from qwen_ocr.prompts import TASKS

EXAMPLE_MODEL = "Qwen/Qwen3-VL-8B-Instruct"
"""What messages name as a model that was taught all tasks."""
MAX_ASPECT_RATIO = 200
"""Longest side ÷ shortest side above which every family's image processor refuses an image."""


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the table; the fields in tokens are visual tokens per image."""

    name: str
    pattern: str
    """Regular expression searched for in the model's name, in lower case."""
    factor: int
    """Side in pixels of the square that becomes one visual token."""
    min_tokens: int
    """Smaller images are enlarged to this by the model's processor."""
    max_tokens: int
    """The most that the model's processor accepts without shrinking the image itself."""
    budget: int
    """What an image may cost unless the caller asks for more: enough for a dense page."""
    box_range: int | None = 1000
    """A box edge that the model writes runs from 0 to this, whatever the image's size; None when it
    counts pixels of the image as resized by the processor."""
    reads_pages: bool = True
    """Whether an image shrunk to the budget is still legible. A model that reads blocks of text and
    not pages misreads a page that was shrunk: our server finds its lines and reads it in pieces."""
    whole_tokens: int = 0
    """For such a model, the visual tokens of the largest image that our server does not look for
    lines in. For mini 40, which are a word or two. Of the characters in the 140 images of
    `tests/evaluation`, 0.55 % were misread so, 0.55 % with 0, and 1.08 % with 100, where the second
    of two small lines was left out at times (weights of 15 minutes before their training ended)."""
    tasks: tuple[str, ...] = TASKS
    """What the models were taught, of `qwen_ocr.prompts.TASKS`. Other prompts are up to the caller;
    these are refused by client and server if they are not here, because the answer would be plain
    text, or would not end."""
    best_type: int | None = None
    """Height in pixels, as `type_size.type_height` measures it, to which the server enlarges an
    image with smaller type before it is read; None for models that need no such help.

    26 for mini, chosen with earlier weights: characters misread as a whole, of the 26,011 of 210
    images drawn like `tests/evaluation` with another seed, and of that set's 16,999:

    | | as they are | all × 1.5 | to 24 px | 26 | 27 | 28 | 30 |
    |---|---|---|---|---|---|---|---|
    | 210 images | 194 | 157 | 51 | 53 | 74 | | 53 |
    | evaluation | 156 | 130 | 63 | 84 | | 86 | 94 |

    What is left are mostly lines and prices that are left out by chance. It costs an image of the
    evaluation 787 instead of 440 tokens of prompt, and 373 instead of 205 ms of processor (without
    AVX-512), of which measuring and enlarging take about 5."""
    longest_side: int | None = None
    """Pixels of the longer side to which an image is shrunk before it is sent; None for any."""
    rounds_up: bool = False
    """Whether the processor rounds the sides of an image up to multiples of `factor`, and not to
    the nearest."""
    enlarged_tokens: int = 0
    """The most visual tokens to which an image is enlarged; for mini, those of the largest image of
    its training, beyond which it leaves lines out."""

    def in_pieces(self, size: tuple[int, int]) -> bool:
        """Whether our server looks for the lines of an image of that size, and reads these."""
        width, height = size
        large = width * height > self.whole_tokens * self.factor**2
        return not self.reads_pages and (large or height <= self.line_height)

    @property
    def line_height(self) -> int:
        """Pixels: for a model that reads no pages, the height of an image that is one line, as the
        server cuts them: two rows of visual tokens. It is read as it is."""
        return 0 if self.reads_pages else 2 * self.factor

    def fit(self, size: tuple[int, int], max_tokens: int | None = None) -> tuple[int, int]:
        """Width and height to send, in pixels: `size` itself when it is within the budget.

        The budget is `max_tokens`, within what the processor accepts, or the family's own. A larger
        image gets the multiples of `factor` that the processor itself would choose (`smart_resize`
        of Qwen-VL), so that the server does not resample a second time.
        """
        width, height = size
        factor = self.factor
        tokens = max(self.min_tokens, min(max_tokens or self.budget, self.max_tokens))
        longest = self.longest_side or max(size)
        if self._squares(width) * self._squares(height) <= tokens and max(size) <= longest:
            return size
        shrink = factor * max(math.sqrt(width * height / (tokens * factor**2)), max(size) / longest)
        return (
            max(1, math.floor(width / shrink)) * factor,
            max(1, math.floor(height / shrink)) * factor,
        )

    def enlarged(self, size: tuple[int, int], type_height: int) -> tuple[int, int]:
        """Width and height in pixels to which the server enlarges an image of `size` whose type is
        `type_height` pixels high, 0 for none: `size` itself if that type is large enough."""
        width, height = size
        if self.best_type is None or type_height == 0 or height <= self.line_height:
            return size
        room = math.sqrt(self.enlarged_tokens * self.factor**2 / (width * height))
        scale = min(self.best_type / type_height, room, MAX_ENLARGEMENT)
        return size if scale <= 1 else (round(width * scale), round(height * scale))

    def resized(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height that the model sees of an image of `size`, which `fit` or `enlarged`
        returned.

        Both are multiples of `factor`, so the image costs width · height ÷ factor² tokens.
        """
        width, height = size
        factor = self.factor
        columns, rows = self._squares(width), self._squares(height)
        if columns * rows < self.min_tokens:
            # In the processor's own order of operations: a rounding error here is a token there.
            grow = math.sqrt(self.min_tokens * factor**2 / (height * width))
            columns, rows = math.ceil(width * grow / factor), math.ceil(height * grow / factor)
        return columns * factor, rows * factor

    def _squares(self, side: int) -> int:
        squares = side / self.factor
        return math.ceil(squares) if self.rounds_up else round(squares)


MAX_ENLARGEMENT = 2
"""What type has lost in more than half its size, no enlargement brings back."""

QWEN3_VL = Family("qwen3-vl", r"qwen3-?vl", 32, min_tokens=64, max_tokens=16384, budget=2048)
FAMILIES = (
    Family(
        "mini",
        r"(^|[/_-])mini$",
        16,
        min_tokens=4,
        max_tokens=2048,
        budget=2048,
        reads_pages=False,
        whole_tokens=40,
        tasks=("text",),
        best_type=26,
        enlarged_tokens=800,
    ),
    Family("qwen2-vl", r"qwen2-?vl", 28, min_tokens=4, max_tokens=16384, budget=2048),
    Family(
        "qwen2.5-vl",
        r"qwen2\.5-?vl|olmocr-2|nanonets-ocr2",
        28,
        min_tokens=4,
        max_tokens=16384,
        budget=2048,
        box_range=None,
    ),
    Family(
        "qwen3.5",
        r"qwen3\.[5-8]|chandra-ocr-2|lightonocr-3-(?!1b)|infinity-parser2",
        32,
        min_tokens=64,
        max_tokens=16384,
        budget=2048,
    ),
    # rednote-hilab/dots.ocr, dots_ocr/utils/consts.py: 3,136 to 11,289,600 pixels.
    Family(
        "dots.ocr",
        r"dots\.m?ocr",
        28,
        min_tokens=4,
        max_tokens=14400,
        budget=5120,
        box_range=None,
        tasks=("text", "markdown", "table", "formula", "spot"),
    ),
    # LightOn's own architecture of versions 1 and 2 and of 3-1B.
    Family(
        "lightonocr",
        r"lightonocr-(1b|2-|3-1b)",
        28,
        min_tokens=1,
        max_tokens=3025,
        budget=3025,
        longest_side=1540,
        rounds_up=True,
        tasks=("text", "markdown", "table", "formula"),
    ),
    QWEN3_VL,
)


def known_family(model: str) -> Family | None:
    """The family of a model, from its name or path; None for a name that tells nothing."""
    return next((f for f in FAMILIES if re.search(f.pattern, model.lower())), None)


def family_named(name: str) -> Family | None:
    """The row of that name."""
    return next((f for f in FAMILIES if f.name == name), None)


def family_of(model: str) -> Family:
    """The family of a model, from its name or path; Qwen3-VL's for a name that tells nothing.

    They are safe for a stranger: a wrong factor costs a second, small resize on the server.
    """
    return known_family(model) or QWEN3_VL


def why_unsupported(family: Family, task: str) -> str | None:
    """What to say to somebody who asks for this task; None if the family was taught it."""
    if task in family.tasks:
        return None
    return (
        f"the served model ({family.name}) was not taught {task!r}, only "
        f"{', '.join(family.tasks)}: ask for that, or serve a larger model, such as "
        f"`qwen-ocr serve --model {EXAMPLE_MODEL}`"
    )
