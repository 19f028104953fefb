"""Pages as a file of requests in OpenAI's batch format, which `vllm run-batch` works off.

A line is `{"custom_id", "method", "url", "body"}`; the body is what the client would send first for
that page, with the image in it. The engine then needs neither a server nor a network, and
`qwen_ocr_tools.batch.answers` takes the texts from what it wrote.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from qwen_ocr.errors import ConfigurationError, ImageError, PDFError, UnsupportedTaskError
from qwen_ocr.families import why_unsupported
from qwen_ocr.images import ImageInput, load_image, to_url
from qwen_ocr.options import ReadOptions, check_options
from qwen_ocr.pdf import DEFAULT_DPI, check_dpi
from qwen_ocr.profiles import Profile, profile_of
from qwen_ocr.prompts import check_prompt, task_of
from qwen_ocr.requests import build_request, wire_body
from qwen_ocr.settings import ClientSettings
from qwen_ocr_tools.batch.documents import PageImages
from qwen_ocr_tools.batch.files import file_errors, replacement
from qwen_ocr_tools.batch.inputs import Inputs
from qwen_ocr_tools.batch.listing import list_jobs
from qwen_ocr_tools.batch.progress import Progress, Tally
from qwen_ocr_tools.batch.reading import Job
from qwen_ocr_tools.batch.records import Record, digest, state_key

URL = "/v1/chat/completions"


def custom_id(description: Record) -> str:
    """Names a page of an unchanged file and what was asked about it, in 32 hexadecimal digits."""
    return digest(state_key(description).hex(), description["prompt"]).hex()


@dataclass(frozen=True, slots=True)
class RequestsSpec:
    """What to ask about which pages, and where to write it."""

    inputs: Inputs
    output: Path
    prompt: str
    options: ReadOptions
    settings: ClientSettings
    dpi: float | None = None


async def write_requests(spec: RequestsSpec) -> bool:
    """Write a request for every page; tell whether all pages have one.

    The file is there whole or not at all. Says on stderr which pages cannot be opened. Raises
    `ConfigurationError`, also for an output that is there already, `PromptError`,
    `UnsupportedTaskError` and `OutputError`.
    """
    dpi = DEFAULT_DPI if spec.dpi is None else spec.dpi
    check_dpi(dpi)
    check_prompt(spec.prompt)
    check_options(spec.options)
    model = spec.settings.served_model_name
    if model is None:
        raise ConfigurationError(
            "no server is asked for its model: name it as `vllm run-batch` will serve it, with "
            "--model or QWEN_OCR_SERVED_MODEL_NAME"
        )
    if spec.output.exists():
        raise ConfigurationError(f"{spec.output}: is there already; remove it, or choose another")
    files = spec.inputs.count()
    profile = profile_of(model)
    task = task_of(spec.prompt)
    if task and (why := why_unsupported(profile.family, task)):
        raise UnsupportedTaskError(why)
    writer = _Writer(spec, model, profile)
    with PageImages(dpi) as images, Progress(Tally(files)) as progress:
        with file_errors(spec.output), replacement(spec.output) as file:
            descriptor = file.fileno()
            with open(descriptor, "wb", closefd=False) as buffered:  # noqa: ASYNC230 - is open
                for job in list_jobs(spec.inputs, spec.prompt, progress):
                    try:
                        image = await images.get(job.page)
                        buffered.write(await asyncio.to_thread(writer.line, job, image))
                        progress.tally.read += 1
                    except (ImageError, PDFError) as exc:
                        progress.tally.failed += 1
                        progress.say(job.page.complaint(exc))
                    progress.update()
            # A Ctrl-C that ended the list early is raised here, before the file gets its name.
            await asyncio.sleep(0)
        file.close()
        progress.say(f"{progress.tally.read:,} requests: {spec.output}")
        if progress.tally.failed:
            progress.say(f"pages without a request: {progress.tally.failed:,}")
        return not progress.tally.failed


@dataclass(frozen=True, slots=True)
class _Writer:
    spec: RequestsSpec
    model: str
    profile: Profile

    def line(self, job: Job, image: ImageInput) -> bytes:
        """The request for a page. Raises `ImageError`."""
        # Enlarged here, as no server of ours will do it.
        limit = self.spec.settings.max_image_tokens
        url = to_url(load_image(image), self.profile.family, limit, enlarge=True)
        max_tokens = self.spec.options.get("max_tokens")
        prompt, profile = self.spec.prompt, self.profile
        chat = build_request(self.model, url, prompt, profile=profile, max_tokens=max_tokens)
        request = {
            "custom_id": custom_id(job.description),
            "method": "POST",
            "url": URL,
            "body": wire_body(chat),
        }
        return json.dumps(request, ensure_ascii=False).encode() + b"\n"
