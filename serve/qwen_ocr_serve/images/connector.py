"""How vLLM gets at the image of a request: its own extension point, `VLLM_MEDIA_CONNECTOR`.

vLLM's connector fetches any URL, follows redirects, and answers several kinds of broken images with
500. This one decodes `data:` URLs, fetches from allowed hosts only, looks at the size in the header
before it decodes, says what is wrong with an image as a problem of the request, and enlarges small
type for a model that needs it.
"""

import asyncio
import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

import pybase64
from PIL import Image
from vllm.multimodal.image import open_image
from vllm.multimodal.media import MEDIA_CONNECTOR_REGISTRY, MediaConnector
from vllm.multimodal.media.base import MediaIO, MediaWithBytes
from vllm.multimodal.media.connector import global_thread_pool
from vllm.multimodal.media.image import ImageMediaIO

from qwen_ocr.families import Family
from qwen_ocr.sources import PDF_ADVICE, is_pdf
from qwen_ocr.type_size import type_height
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.images import CONNECTOR_NAME
from qwen_ocr_serve.images.urls import FetchError, ImageFetcher, URLNotAllowedError
from qwen_ocr_serve.models.serving import served_family
from qwen_ocr_serve.settings import server_settings

_Media = TypeVar("_Media")

_PDF = f"this is {PDF_ADVICE}; or send it to /v1/ocr"
_SEVERAL_PAGES = (
    "this TIFF has several pages: send it to /v1/ocr, or read it with `qwen-ocr read`, or "
    "read_document of the Python client"
)
_BAD_IMAGE = "the image cannot be read ({}): send a whole PNG, JPEG, WebP, GIF, BMP or TIFF file"


def _refused(code: str, message: str) -> APIError:
    return APIError(HTTPStatus.BAD_REQUEST.value, code, message)


def _invalid(why: str) -> APIError:
    return _refused("invalid_image", _BAD_IMAGE.format(why))


@MEDIA_CONNECTOR_REGISTRY.register(CONNECTOR_NAME)
class GuardedMediaConnector(MediaConnector):
    """Loads images and nothing else; every failure is an `APIError`, which vLLM lets pass."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._family = served_family()

    def load_from_url(
        self, url: str, media_io: MediaIO[_Media], *, fetch_timeout: int | None = None
    ) -> NoReturn:
        """Refused: the server loads asynchronously."""
        raise NotImplementedError("images are loaded with load_from_url_async")

    async def load_from_url_async(
        self, url: str, media_io: MediaIO[_Media], *, fetch_timeout: int | None = None
    ) -> _Media:
        """The image behind a `data:` URL or one of an allowed host. Raises `APIError`."""
        load = media_io.load_bytes
        if not isinstance(media_io, ImageMediaIO):
            raise _refused("invalid_request", "this server reads images, nothing else")
        data = await load_bytes(url)
        return await _in_thread(lambda: self._decode(data, load))

    def _decode(self, data: bytes, load: Callable[[bytes], _Media]) -> _Media:
        width, height = size_of(data)
        family = self._family
        if family and not family.reads_pages and family.fit((width, height)) != (width, height):
            raise _refused(
                "image_too_large",
                f"the image has {width} x {height} pixels, {family.name} reads blocks of text of "
                f"up to {family.budget * family.factor**2}: crop it to a block of text, or serve a "
                "larger model",
            )
        try:
            media = load(data)
        except Exception as exc:
            raise _invalid("it is damaged or cut off") from exc
        return _enlarged(media, family) if family and family.best_type is not None else media


async def load_bytes(url: str) -> bytes:
    """The bytes behind a `data:` URL or one of an allowed host. Raises `APIError`."""
    if url[:5].lower() == "data:":
        return await _in_thread(lambda: _from_data_url(url))
    if not url[:8].lower().startswith(("http://", "https://")):
        raise _invalid("it is neither a data: URL nor one of http or https")
    settings = server_settings()
    hosts = settings.image_hosts
    if not hosts:
        message = "this server fetches no URLs: send the image itself, as a data: URL"
        raise _refused("media_url_not_allowed", message)
    try:
        return await ImageFetcher(hosts).fetch(url, int(settings.max_body_mib * 2**20))
    except URLNotAllowedError as exc:
        message = f"{exc}: send the image itself, as a data: URL"
        raise _refused("media_url_not_allowed", message) from exc
    except FetchError as exc:
        message = f"the image cannot be fetched: {exc}"
        raise _refused("media_fetch_failed", message) from exc


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header alone.

    Raises `APIError` for what is no image, has several pages or too many pixels.
    """
    # Decoders meet broken files with whatever they stumble over: struct.error, SyntaxError,
    # IndexError. All of them are about this image.
    try:
        with open_image(io.BytesIO(data)) as image:
            width, height = image.size
            several = image.format == "TIFF" and _has_second_frame(image)
    except Exception as exc:
        if is_pdf(data):
            raise _refused("invalid_image", _PDF) from exc
        raise _invalid("it is empty" if not data else "it is not an image") from exc
    if several:
        raise _refused("invalid_image", _SEVERAL_PAGES)
    max_pixels = server_settings().max_image_pixels
    if width * height > max_pixels:
        raise _refused(
            "image_too_large",
            f"the image has {width} x {height} pixels, this server takes {max_pixels}: "
            "send a smaller one",
        )
    return width, height


def _has_second_frame(image: Image.Image) -> bool:
    # Not `n_frames`: counting reads all of them, and 32 MiB have room for millions. A first frame
    # with rubbish behind it is a whole image.
    with suppress(Exception):
        image.seek(1)
        return True
    return False


def _enlarged(media: _Media, family: Family) -> _Media:
    """An image with small type enlarged as far as `family` reads it best.

    Here and not in the client, so that every caller profits. It costs 3 ms of a processor for half
    a million pixels, and more visual tokens, see `Family.best_type`.
    """
    # vLLM couples the image with its bytes, from which it tells images apart.
    assert isinstance(media, MediaWithBytes)
    image = media.media
    if image.height <= family.line_height:  # no need to measure its type
        return media
    size = family.enlarged(image.size, type_height(image))
    if size == image.size:
        return media
    return replace(media, media=image.resize(size, Image.Resampling.LANCZOS))


def _from_data_url(url: str) -> bytes:
    header, comma, encoded = url.partition(",")
    if not comma or not header.lower().endswith(";base64"):
        raise _invalid("a data: URL begins with data:image/png;base64, and goes on with base64")
    try:
        return pybase64.b64decode(encoded, validate=True)
    except ValueError as exc:
        raise _invalid("it is not base64") from exc


async def _in_thread(work: Callable[[], _Media]) -> _Media:
    return await asyncio.get_running_loop().run_in_executor(global_thread_pool, work)
