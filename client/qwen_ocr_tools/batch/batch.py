"""What every batch does with its pages, wherever they are read."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from qwen_ocr.errors import OCRError, PDFError
from qwen_ocr.options import ReadOptions
from qwen_ocr.outcomes import Outcome
from qwen_ocr.settings import ClientSettings
from qwen_ocr_tools.batch.archive import Archive, Collector, KeptError
from qwen_ocr_tools.batch.inputs import Inputs
from qwen_ocr_tools.batch.journal import Journal
from qwen_ocr_tools.batch.progress import Progress
from qwen_ocr_tools.batch.reading import Job
from qwen_ocr_tools.batch.records import Record, failed, state_key, succeeded


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """What to do; None where the server or a default decides."""

    inputs: Inputs
    output: Path
    """Lines of JSON, or Parquet if its name ends so."""
    prompt: str
    options: ReadOptions
    servers: Sequence[ClientSettings]
    """At least one; they differ in nothing but their address."""
    archive: Archive
    dpi: float | None = None
    concurrency: int | None = None
    retry_failed: bool = False
    answers: Path | None = None
    """What `vllm run-batch` wrote, to take texts from instead of a server."""
    ray: bool = False
    """Whether Ray's workers read, instead of this process."""
    workers: int | None = None
    """How many of them."""


@dataclass(slots=True, kw_only=True)
class Batch(ABC):
    """One run over the inputs, which goes on where the journal ends."""

    spec: BatchSpec
    journal: Journal
    progress: Progress
    not_archived: int = 0
    """Documents some of whose files beside the output were not written."""
    _collector: Collector = field(default_factory=Collector)
    _writing: asyncio.Task[None] | None = None

    @abstractmethod
    def outcomes(self) -> AsyncGenerator[Outcome[Job], None]:
        """What became of each page that is not settled, as it is done."""

    @abstractmethod
    async def check(self, error: OCRError) -> None:
        """Raise what stops the batch; return if the error is about one page."""

    def remarks(self) -> list[str]:
        """What to say at the end."""
        return []

    async def run(self) -> None:
        """Read what has not been read, and write what is not there."""
        try:
            await self._catch_up()
            async with aclosing(self.outcomes()) as outcomes:
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
        flagged = tally.flagged + tally.found_flagged
        ignored, incomplete = self.spec.inputs.ignored, self._collector.incomplete
        parts = [f"{tally.read:,} pages read at {tally.rate:.1f} pages/s"]
        parts += [f"{tally.found:,} were there before"] * bool(tally.found)
        parts += [f"{flagged:,} flagged"] * bool(flagged)
        parts += [f"{failures:,} failed"] * bool(failures)
        say(f"{', '.join(parts)}: {self.spec.output}")
        if flagged:
            say(
                'flagged pages have "warnings" in their lines: the model was not sure of them, or '
                "found no text; look at them"
            )
        if failures:
            say('failed pages have "error" in their lines; --retry-failed reads them again')
        if incomplete:
            say(f"documents without files of their own, as a page is missing: {incomplete:,}")
        for remark in self.remarks():
            say(remark)
        if tally.unknown:
            say(
                f"pages without an answer: {tally.unknown:,}; "
                "the same command without --read-answers reads them"
            )
        if ignored:
            say(f"files left out, neither images nor PDFs by their endings: {ignored:,}")
        return not (failures or tally.unknown or self.not_archived)

    def is_settled(self, page: Record) -> bool:
        """Whether the journal has all that is wanted of a page; it is counted then."""
        state = state_key(page)
        if state in self.journal.done:
            self.progress.tally.found += 1
            self.progress.tally.found_flagged += state in self.journal.flagged
        elif state in self.journal.failed and not self.spec.retry_failed:
            self.progress.tally.found_failed += 1
        else:
            return False
        return True

    async def _keep(self, outcome: Outcome[Job]) -> None:
        job, tally = outcome.input, self.progress.tally
        if outcome.result:
            tally.read += 1
            tally.flagged += bool(outcome.result.warnings)
            record = succeeded(job.description, outcome.result, job.layout)
        else:
            assert outcome.error, "an outcome has one or the other"
            await self.check(outcome.error)
            tally.failed += 1
            record = failed(job.description, outcome.error)
            self.progress.say(job.page.complaint(outcome.error))
        replaces = self.journal.append(record)
        self.progress.update()
        if self.spec.archive.wanted and (records := self._collector.add(record)):
            await self._written()
            self._begin(self.spec.archive.write, records, replace=replaces)

    async def _catch_up(self) -> None:
        """Write what earlier runs had read, but had not written or not been asked to write."""
        if not self.spec.archive.wanted:
            return
        for record in self.journal.records():
            if records := self._collector.add(record):
                await self._written()
                self._begin(self.spec.archive.write_missing, records)

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
