"""How high the type of an image is.

The server enlarges small type for a model that reads larger type better, and the client counts the
visual tokens that come of it. Both measure with this function, so that they agree.
"""

from PIL import Image, ImageChops

STRIP = 96
"""Width in pixels of the strips in which lines are looked for: narrow enough that lines which rise
by a few degrees stay apart, and wide enough that a strip holds several letters."""
MIN_CONTRAST = 40
"""Least difference, of 255, between paper and ink; anything fainter is taken for an empty page."""
_INK_PART = 0.005
"""Part of the pixels that are darker (or lighter) than anything else and show how strong the ink
is. A short line in a wide margin has more; single specks have less."""


def type_height(image: Image.Image) -> int:
    """The usual height in pixels of a line of type, from 1; 0 where there is no type.

    It is that of what stands in the line: of *one* it is the height of the small letters, of *Page*
    it reaches from the top of the capital to the bottom of the descender, so most type of 20 px
    counts as 14 to 19. Dark type on light paper and the reverse are measured alike. A photograph or
    a drawing counts as one large line. Takes a few milliseconds for half a million pixels.
    """
    grey = image.convert("L")
    width, height = grey.size
    paper = _level(grey.histogram(), 0.5)
    difference = ImageChops.difference(grey, Image.new("L", grey.size, paper))
    contrast = _level(difference.histogram(), 1 - _INK_PART)
    if contrast < MIN_CONTRAST:
        return 0
    ink = difference.point([255 if level > contrast / 2 else 0 for level in range(256)])
    lines = []
    for left in range(0, width, STRIP):
        strip = ink.crop((left, 0, min(left + STRIP, width), height))
        rows = bytes(strip.getprojection()[1])  # 1 for each row that has ink, 0 for the others
        lines += [len(run) for run in rows.split(b"\0") if run]
    # The median by height: dots and rules are many, and have little of the height of all.
    lines.sort()
    half = sum(lines) / 2
    for line in lines:
        half -= line
        if half <= 0:
            return line
    return 0


def _level(histogram: list[int], part: float) -> int:
    """The least level that has `part` of all pixels at it or below."""
    left = part * sum(histogram)
    for level, count in enumerate(histogram):
        left -= count
        if left <= 0:
            return level
    return len(histogram) - 1
