"""Every file and every page of a job once, as they are needed."""

import asyncio
from collections.abc import Iterator

from qwen_ocr_tools.batch.documents import open_document
from qwen_ocr_tools.batch.inputs import Inputs
from qwen_ocr_tools.batch.progress import Progress
from qwen_ocr_tools.batch.reading import Job
from qwen_ocr_tools.batch.records import Version, describe, digest


def list_files(inputs: Inputs, progress: Progress) -> Iterator[tuple[str, Version]]:
    """All files, each once; ends early when the task is cancelled."""
    met: set[bytes] = set()
    task = asyncio.current_task()
    for path, version in inputs:
        # Many pages in a row that need nothing leave the loop no moment to act on Ctrl-C by itself.
        if task and task.cancelling():
            return
        key = digest(path)
        if key in met:
            progress.tally.opened += 1
        else:
            met.add(key)
            yield path, version
        progress.update()


def list_jobs(inputs: Inputs, prompt: str, progress: Progress) -> Iterator[Job]:
    """All pages of these files, each once and counted; ends early when the task is cancelled."""
    for path, version in list_files(inputs, progress):
        document = open_document(path)
        progress.tally.opened += 1
        for page in document.pages:
            progress.tally.met += 1
            yield Job(page, describe(page, version, prompt))
