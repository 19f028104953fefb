"""Pages as a file of requests in OpenAI's batch format, which `vllm run-batch` works off.

A line is `{"custom_id", "method", "url", "body"}`; the body is what the client would send first for
that page, with the image in it. The engine then needs neither a server nor a network, and
`qwen_ocr.jobs.answers` takes the texts from what it wrote.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from qwen_ocr._steps import Done, Session, advance, first_request
from qwen_ocr.errors import ConfigurationError, ImageError, PDFError
from qwen_ocr.images import ImageInput
from qwen_ocr.jobs.documents import PageImages
from qwen_ocr.jobs.files import file_errors, replacement
from qwen_ocr.jobs.inputs import Inputs
from qwen_ocr.jobs.listing import list_jobs
from qwen_ocr.jobs.progress import Progress, Tally
from qwen_ocr.jobs.reading import Job
from qwen_ocr.jobs.records import Record, digest, state_key
from qwen_ocr.options import ReadOptions, check_options
from qwen_ocr.pdf import DEFAULT_DPI, check_dpi
from qwen_ocr.prompts import check_prompt
from qwen_ocr.settings import ClientSettings

URL = "/v1/chat/completions"


def custom_id(description: Record) -> str:
    """Names a page of an unchanged file and what was asked about it, in 32 hexadecimal digits."""
    return digest(state_key(description).hex(), description["prompt"]).hex()


@dataclass(frozen=True, slots=True)
class RequestsPlan:
    """What to ask about which pages, and where to write it."""

    inputs: Inputs
    output: Path
    prompt: str
    options: ReadOptions
    settings: ClientSettings
    dpi: float | None = None


async def write_requests(plan: RequestsPlan) -> bool:
    """Write a request for every page; tell whether all pages have one.

    The file is there whole or not at all. Says on stderr which pages cannot be opened. Raises
    `ConfigurationError`, also for an output that is there already, `PromptError` and `OutputError`.
    """
    dpi = DEFAULT_DPI if plan.dpi is None else plan.dpi
    check_dpi(dpi)
    check_prompt(plan.prompt)
    check_options(plan.options)
    if plan.settings.model is None:
        raise ConfigurationError(
            "no server is asked for its model: name it with --model or QWEN_OCR_MODEL, as "
            "`vllm run-batch` will serve it"
        )
    if plan.output.exists():
        raise ConfigurationError(f"{plan.output}: is there already; remove it, or choose another")
    files = plan.inputs.count()
    writer = _Writer(plan, Session(plan.settings, plan.settings.model))
    with PageImages(dpi) as images, Progress(Tally(files)) as progress:
        with file_errors(plan.output), replacement(plan.output) as file:
            descriptor = file.fileno()
            with open(descriptor, "wb", closefd=False) as buffered:  # noqa: ASYNC230 - is open
                for job in list_jobs(plan.inputs, plan.prompt, progress):
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
        progress.say(f"{progress.tally.read:,} requests: {plan.output}")
        if progress.tally.failed:
            progress.say(f"pages without a request: {progress.tally.failed:,}")
        return not progress.tally.failed


@dataclass(frozen=True, slots=True)
class _Writer:
    plan: RequestsPlan
    session: Session

    def line(self, job: Job, image: ImageInput) -> bytes:
        """The request for a page. Raises `ImageError`."""
        steps = first_request(
            self.session, image, self.plan.prompt, self.plan.options, enlarge=True
        )
        done = advance(steps, None)
        assert isinstance(done, Done), "a session with a model has nothing to ask"
        # What is an argument of its own to the SDK is one field among others in what it sends.
        body = {name: value for name, value in done.value.items() if name != "extra_body"}
        request = {
            "custom_id": custom_id(job.description),
            "method": "POST",
            "url": URL,
            "body": body | done.value["extra_body"],
        }
        return json.dumps(request, ensure_ascii=False).encode() + b"\n"
