"""A batch from its inputs to its outputs."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from qwen_ocr.batch import run_many_async
from qwen_ocr.errors import OCRError
from qwen_ocr.jobs.answers import AnswerReader
from qwen_ocr.jobs.batch import Batch, Plan
from qwen_ocr.jobs.documents import PageImages
from qwen_ocr.jobs.journal import Journal
from qwen_ocr.jobs.listing import list_jobs
from qwen_ocr.jobs.parquet import check_pyarrow, journal_path, write_parquet
from qwen_ocr.jobs.progress import Progress, Tally
from qwen_ocr.jobs.reading import Job, PageReader, ServerReader
from qwen_ocr.jobs.server import MOST, find_total
from qwen_ocr.jobs.spread import open_client
from qwen_ocr.options import check_options
from qwen_ocr.pdf import DEFAULT_DPI, check_dpi
from qwen_ocr.prompts import check_prompt
from qwen_ocr.results import Outcome


async def run_batch(plan: Plan) -> bool:
    """Read all inputs into the output, or what is left of them; tell whether all have their text.

    Says on stderr how far it is and what it has done. Raises `ConfigurationError` or `PromptError`
    before anything is written; `OutputError` and what the reader's `check` raises when it
    cannot go on. What was read is kept in any case, also when this is cancelled.
    """
    dpi = DEFAULT_DPI if plan.dpi is None else plan.dpi
    check_dpi(dpi)
    check_prompt(plan.prompt)
    check_options(plan.options)
    plan.archive.check()
    lines = journal_path(plan.output)
    if lines != plan.output:
        check_pyarrow()
    files = plan.inputs.count()
    async with _open(plan, dpi) as new_batch:
        with Progress(Tally(files)) as progress:
            with Journal(lines, plan.prompt) as journal:
                batch = new_batch(plan=plan, journal=journal, progress=progress)
                try:
                    await batch.run()
                except BaseException:
                    progress.say(f"stopped: {progress.tally}; the same command goes on from there")
                    raise
            if lines != plan.output:
                await asyncio.to_thread(write_parquet, lines, plan.output)
            return batch.report()


@asynccontextmanager
async def _open(plan: Plan, dpi: float) -> AsyncIterator[Callable[..., Batch]]:
    """What reads the pages, ready to begin."""
    if plan.answers is not None:
        with AnswerReader(plan.answers, plan.options) as answers:
            yield partial(_PageBatch, reader=answers, concurrency=1)
        return
    total = plan.concurrency
    if total is None:
        total = await asyncio.to_thread(find_total, plan.servers)
    if plan.ray:
        # Here, because it needs the extra `ray`.
        from qwen_ocr.jobs.ray_batch import RayBatch

        yield partial(RayBatch, dpi=dpi, concurrency=total)
        return
    with PageImages(dpi) as images:
        async with open_client(plan.servers) as client:
            reader = ServerReader(
                client,
                images,
                plan.prompt,
                plan.options,
                locate=plan.archive.pdf_folder is not None,
                servers=plan.servers,
            )
            yield partial(
                _PageBatch, reader=reader, concurrency=plan.concurrency or min(total, MOST)
            )


@dataclass(slots=True, kw_only=True)
class _PageBatch(Batch):
    """Pages one by one, in this process."""

    reader: PageReader
    concurrency: int

    def outcomes(self) -> AsyncGenerator[Outcome[Job], None]:
        return run_many_async(
            self.reader.read, self._jobs(), concurrency=self.concurrency, ordered=False
        )

    async def check(self, error: OCRError) -> None:
        await self.reader.check(error)

    def remarks(self) -> list[str]:
        return self.reader.remarks()

    def _jobs(self) -> Iterator[Job]:
        """The pages that are to be read, one after the other."""
        for job in list_jobs(self.plan.inputs, self.plan.prompt, self.progress):
            known = self.reader.knows(job)
            if not self.is_settled(job.description):
                if known:
                    yield job
                else:
                    self.progress.tally.unknown += 1
