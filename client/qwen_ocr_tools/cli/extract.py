"""`extract`: what a form says, as JSON of a given schema."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from qwen_ocr.errors import ConfigurationError
from qwen_ocr_tools.cli.common import ApiKey, BaseUrl, Dpi, MaxTokens, ModelName, exit_codes

if TYPE_CHECKING:
    from qwen_ocr_tools.batch.documents import Page


def extract(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="An image or PDF: a path, an image's http(s) URL, - for stdin."
        ),
    ],
    schema: Annotated[
        str, typer.Option(help="A file with a JSON Schema, or module:Model for a pydantic model.")
    ],
    page: Annotated[
        int | None, typer.Option(min=1, help="Which page, of a document that has several.")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="In your own words; the schema itself if unset."),
    ] = None,
    dpi: Dpi = None,
    max_tokens: MaxTokens = None,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    model: ModelName = None,
) -> None:
    """Read one page into JSON that is valid by a schema.

    The server lets the model write nothing else, and the answer is checked again here. The
    descriptions in the schema tell the model what to look for. Needs a larger model than the
    bundled one.
    """
    # Here, so that --help does not wait for the SDK.
    from qwen_ocr.async_client import AsyncOCRClient
    from qwen_ocr.pdf import DEFAULT_DPI, check_dpi
    from qwen_ocr_tools.batch.documents import PageImages, open_argument
    from qwen_ocr_tools.schema import load_schema

    async def run() -> str:
        answer_model = load_schema(schema)
        resolution = DEFAULT_DPI if dpi is None else dpi
        check_dpi(resolution)
        async with AsyncOCRClient(base_url, api_key=api_key, model=model) as client:
            with PageImages(resolution) as images:
                image = await images.get(_choose(list(open_argument(file).pages), page))
            answer = await client.extract(image, answer_model, prompt, max_tokens=max_tokens)
            return answer.model_dump_json(indent=2)

    with exit_codes():
        typer.echo(asyncio.run(run()))


def _choose(pages: "list[Page]", number: int | None) -> "Page":
    name = pages[0].document.name
    if number is None and len(pages) > 1:
        raise ConfigurationError(f"{name}: has {len(pages)} pages; choose one with --page")
    number = number or 1
    if number > len(pages):
        raise ConfigurationError(f"{name}: there is no page {number}")
    return pages[number - 1]
