"""A batch from its inputs to its outputs."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from qwen_ocr.batch import run_many_async
from qwen_ocr.errors import OCRError
from qwen_ocr.options import check_options
from qwen_ocr.outcomes import Outcome
from qwen_ocr.pdf import DEFAULT_DPI, check_dpi
from qwen_ocr.prompts import check_prompt
from qwen_ocr_tools.batch.answers import AnswerReader
from qwen_ocr_tools.batch.batch import Batch, BatchSpec
from qwen_ocr_tools.batch.documents import PageImages
from qwen_ocr_tools.batch.journal import Journal
from qwen_ocr_tools.batch.listing import list_jobs
from qwen_ocr_tools.batch.parquet import check_pyarrow, journal_path, write_parquet
from qwen_ocr_tools.batch.progress import Progress, Tally
from qwen_ocr_tools.batch.reading import Job, PageReader, ServerReader
from qwen_ocr_tools.batch.server import MOST, find_total
from qwen_ocr_tools.batch.spread import open_client


async def run_batch(spec: BatchSpec) -> bool:
    """Read all inputs into the output, or what is left of them; tell whether all have their text.

    Says on stderr how far it is and what it has done. Raises `ConfigurationError` or `PromptError`
    before anything is written; `OutputError` and what the reader's `check` raises when it
    cannot go on. What was read is kept in any case, also when this is cancelled.
    """
    dpi = DEFAULT_DPI if spec.dpi is None else spec.dpi
    check_dpi(dpi)
    check_prompt(spec.prompt)
    check_options(spec.options)
    spec.archive.check()
    lines = journal_path(spec.output)
    if lines != spec.output:
        check_pyarrow()
    files = spec.inputs.count()
    async with _open(spec, dpi) as new_batch:
        with Progress(Tally(files)) as progress:
            with Journal(lines, spec.prompt) as journal:
                batch = new_batch(spec=spec, journal=journal, progress=progress)
                try:
                    await batch.run()
                except BaseException:
                    progress.say(f"stopped: {progress.tally}; the same command goes on from there")
                    raise
            if lines != spec.output:
                await asyncio.to_thread(write_parquet, lines, spec.output)
            return batch.report()


@asynccontextmanager
async def _open(spec: BatchSpec, dpi: float) -> AsyncIterator[Callable[..., Batch]]:
    """What reads the pages, ready to begin."""
    if spec.answers is not None:
        with AnswerReader(spec.answers, spec.options) as answers:
            yield partial(_PageBatch, reader=answers, concurrency=1)
        return
    total = spec.concurrency
    if total is None:
        total = await asyncio.to_thread(find_total, spec.servers)
    if spec.ray:
        # Here, because it needs the extra `ray`.
        from qwen_ocr_tools.batch.ray_batch import RayBatch

        yield partial(RayBatch, dpi=dpi, concurrency=total)
        return
    with PageImages(dpi) as images:
        async with open_client(spec.servers) as client:
            reader = ServerReader(
                client,
                images,
                spec.prompt,
                spec.options,
                locate=spec.archive.pdf_folder is not None,
                servers=spec.servers,
            )
            yield partial(
                _PageBatch, reader=reader, concurrency=spec.concurrency or min(total, MOST)
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
        for job in list_jobs(self.spec.inputs, self.spec.prompt, self.progress):
            known = self.reader.knows(job)
            if not self.is_settled(job.description):
                if known:
                    yield job
                else:
                    self.progress.tally.unknown += 1
