"""A batch from its inputs to its outputs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from qwen_ocr.async_client import AsyncOCRClient
from qwen_ocr.batch import run_many_async
from qwen_ocr.errors import PDFError
from qwen_ocr.jobs.answers import AnswerReader
from qwen_ocr.jobs.archive import Archive, Collector, KeptError
from qwen_ocr.jobs.documents import PageImages
from qwen_ocr.jobs.inputs import Inputs
from qwen_ocr.jobs.journal import Journal
from qwen_ocr.jobs.listing import list_jobs
from qwen_ocr.jobs.progress import Progress, Tally
from qwen_ocr.jobs.reading import Job, PageReader, ServerReader
from qwen_ocr.jobs.records import failed, state_key, succeeded
from qwen_ocr.jobs.server import find_concurrency
from qwen_ocr.options import ReadOptions, check_options
from qwen_ocr.pdf import DEFAULT_DPI, check_dpi
from qwen_ocr.prompts import check_prompt
from qwen_ocr.results import Outcome
from qwen_ocr.settings import ClientSettings

PATIENCE = 8
"""Further attempts for a page unless QWEN_OCR_MAX_RETRIES says otherwise: with the SDK's pauses
about 40 s, because a server that is busy for that long is no reason to give up a page."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do; None where the server or a default decides."""

    inputs: Inputs
    output: Path
    prompt: str
    options: ReadOptions
    settings: ClientSettings
    archive: Archive
    dpi: float | None = None
    concurrency: int | None = None
    retry_failed: bool = False
    answers: Path | None = None
    """What `vllm run-batch` wrote, to take texts from instead of a server."""


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
    files = plan.inputs.count()
    with PageImages(dpi) as images:
        async with _open_reader(plan, images) as (reader, concurrency):
            with (
                Journal(plan.output, plan.prompt) as journal,
                Progress(Tally(files)) as progress,
            ):
                batch = _Batch(plan, reader, journal, progress)
                try:
                    await batch.run(concurrency)
                except BaseException:
                    progress.say(f"stopped: {progress.tally}; the same command goes on from there")
                    raise
                return batch.report()


@asynccontextmanager
async def _open_reader(plan: Plan, images: PageImages) -> AsyncIterator[tuple[PageReader, int]]:
    """What reads the pages, and how many at a time."""
    if plan.answers is not None:
        with AnswerReader(plan.answers, plan.options) as answers:
            yield answers, 1
        return
    settings = plan.settings
    retries = settings.max_retries if "max_retries" in settings.model_fields_set else PATIENCE
    concurrency = plan.concurrency
    if concurrency is None:
        concurrency = await asyncio.to_thread(find_concurrency, settings)
    async with AsyncOCRClient(
        settings.base_url,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        model=settings.model,
        max_retries=retries,
    ) as client:
        locate = plan.archive.pdf_folder is not None
        reader = ServerReader(
            client, images, plan.prompt, plan.options, locate=locate, settings=settings
        )
        yield reader, concurrency


@dataclass(slots=True)
class _Batch:
    """One run over the inputs, which goes on where the journal ends."""

    plan: Plan
    reader: PageReader
    journal: Journal
    progress: Progress
    not_archived: int = 0
    """Documents some of whose files beside the output were not written."""
    _collector: Collector = field(default_factory=Collector)
    _writing: asyncio.Task[None] | None = None

    async def run(self, concurrency: int) -> None:
        """Read what has not been read, and write what is not there."""
        try:
            await self._catch_up()
            outcomes = run_many_async(
                self.reader.read, self._jobs(), concurrency=concurrency, ordered=False
            )
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    await self._keep(outcome)
            await self._written()
        finally:
            # What has begun is finished, also when this is being cancelled.
            await asyncio.gather(self._writing or asyncio.sleep(0), return_exceptions=True)

    def report(self) -> bool:
        """Say what came of it; tell whether all that was wanted is there."""
        tally, say = self.progress.tally, self.progress.say
        failures = tally.failed + tally.found_failed
        ignored, incomplete = self.plan.inputs.ignored, self._collector.incomplete
        parts = [f"{tally.read:,} pages read at {tally.rate:.1f} pages/s"]
        parts += [f"{tally.found:,} were there before"] * bool(tally.found)
        parts += [f"{failures:,} failed"] * bool(failures)
        say(f"{', '.join(parts)}: {self.plan.output}")
        if failures:
            say('failed pages have "error" in their lines; --retry-failed reads them again')
        if incomplete:
            say(f"documents without files of their own, as a page is missing: {incomplete:,}")
        for remark in self.reader.remarks():
            say(remark)
        if tally.unknown:
            say(
                f"pages without an answer: {tally.unknown:,}; "
                "the same command without --read-answers reads them"
            )
        if ignored:
            say(f"files left out, neither images nor PDFs by their endings: {ignored:,}")
        return not (failures or tally.unknown or self.not_archived)

    def _jobs(self) -> Iterator[Job]:
        """The pages that are to be read, one after the other."""
        tally = self.progress.tally
        for job in list_jobs(self.plan.inputs, self.plan.prompt, self.progress):
            known = self.reader.knows(job)
            state = state_key(job.description)
            if state in self.journal.done:
                tally.found += 1
            elif state in self.journal.failed and not self.plan.retry_failed:
                tally.found_failed += 1
            elif known:
                yield job
            else:
                tally.unknown += 1

    async def _keep(self, outcome: Outcome[Job]) -> None:
        job, tally = outcome.input, self.progress.tally
        if outcome.result:
            tally.read += 1
            record = succeeded(job.description, outcome.result, job.layout)
        else:
            assert outcome.error, "an outcome has one or the other"
            await self.reader.check(outcome.error)
            tally.failed += 1
            record = failed(job.description, outcome.error)
            self.progress.say(job.page.complaint(outcome.error))
        replaces = self.journal.append(record)
        self.progress.update()
        if self.plan.archive.wanted and (records := self._collector.add(record)):
            await self._written()
            self._begin(self.plan.archive.write, records, replace=replaces)

    async def _catch_up(self) -> None:
        """Write what earlier runs had read, but had not written or not been asked to write."""
        if not self.plan.archive.wanted:
            return
        for record in self.journal.records():
            if records := self._collector.add(record):
                await self._written()
                self._begin(self.plan.archive.write_missing, records)

    def _begin(self, write: Callable[..., None], *arguments: object, **options: object) -> None:
        """Begin to write a document's files, in a thread, while more pages are read."""
        self._writing = asyncio.create_task(asyncio.to_thread(write, *arguments, **options))

    async def _written(self) -> None:
        """Wait for the files of the document before."""
        if self._writing is None:
            return
        try:
            await self._writing
        except (PDFError, KeptError) as exc:
            self.not_archived += 1
            self.progress.say(str(exc))
        self._writing = None
