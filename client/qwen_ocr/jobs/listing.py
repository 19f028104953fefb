"""Every page of a job once, as it is needed."""

import asyncio
from collections.abc import Iterator

from qwen_ocr.jobs.documents import open_document
from qwen_ocr.jobs.inputs import Inputs
from qwen_ocr.jobs.progress import Progress
from qwen_ocr.jobs.reading import Job
from qwen_ocr.jobs.records import describe, page_key, version


def list_jobs(inputs: Inputs, prompt: str, progress: Progress) -> Iterator[Job]:
    """All pages of these files, each once and counted; ends early when the task is cancelled."""
    met: set[bytes] = set()
    task = asyncio.current_task()
    for path in inputs:
        # Many pages in a row that need nothing leave the loop no moment to act on Ctrl-C by itself.
        if task and task.cancelling():
            return
        file_version = version(path)
        document = open_document(path)
        progress.tally.opened += 1
        for page in document.pages:
            description = describe(page, file_version, prompt)
            key = page_key(description)
            if key not in met:
                met.add(key)
                progress.tally.met += 1
                yield Job(page, description)
        progress.update()
