"""What comes back about one image."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted by the server: the image is part of the prompt, the text is the completion."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Word:
    """A run of the text without white space, and how sure the model was of it."""

    text: str
    confidence: float
    """0 to 1, see `qwen_ocr.confidence`."""


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A part of a page that the model told apart from others."""

    kind: str
    """One of `qwen_ocr.blocks.KINDS`: `"title"`, `"text"`, `"table"`, `"image"`, …"""
    text: str
    """In Markdown; of a picture, its description if the model gives one."""
    box: tuple[int, int, int, int] | None
    """As `TextBox.box`; None when the model does not say, or for an image whose size is not known
    here, which is one given as a URL."""


@dataclass(frozen=True, slots=True)
class OCRResult:
    """The text of one image and how it came about; `str(result)` is the text."""

    text: str
    finish_reason: str
    """`"stop"` when the model ended by itself. Anything else means that text is missing: `"length"`
    when it was cut off, `"repetition"` when it ends in a loop."""
    usage: Usage | None
    """Of the last attempt; None when the server does not count."""
    model: str
    """The name under which the server ran the model."""
    request_id: str | None
    """What to look for in the server's log: the header `X-Request-Id` or else the answer's own id;
    None when the server does not number its requests."""
    latency: float
    """Seconds of waiting for answers, of all attempts, the SDK's retries and waits included."""
    attempts: int = 1
    """How often the image was read: more than once when the model repeated itself without end."""
    words: tuple[Word, ...] = ()
    """The words of the text, when the option `confidence` asked for them."""
    confidence: float | None = None
    """How sure the model was of the page, 0 to 1, see `qwen_ocr.confidence`; None when there are no
    words, or when the server sends no log-probabilities of tokens that spell the text."""
    warnings: tuple[str, ...] = ()
    """Codes that say why the text is doubtful, each a key of `qwen_ocr.WARNINGS`:
    `"low_confidence"`, `"no_text"`, `"cut_off"`. Empty for a page that was read well, as far as can
    be told."""
    blocks: tuple[TextBlock, ...] = ()
    """The parts of the page in reading order, from a model that tells them apart; those of a stream
    have no boxes."""
    raw: str | None = None
    """What the model wrote, where `text` was made of it: HTML, JSON, or Markdown with remarks."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """How an image will be sent."""

    size: tuple[int, int]
    """Width and height in pixels."""
    tokens: int
    """Visual tokens: what the image adds to the prompt, once the server has enlarged small type for
    a model that needs it (`Family.best_type`). A photo that has to be turned is encoded again, and
    may then cost a few more or less."""


@dataclass(frozen=True, slots=True)
class TextBox:
    """A piece of text and where it is."""

    text: str
    box: tuple[int, int, int, int]
    """Left, top, right and bottom, in pixels of the image as it was given, turned upright if its
    EXIF says so. Left ≤ right, top ≤ bottom, all within the image."""
