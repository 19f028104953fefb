"""Pages out of the file of answers that `vllm run-batch` wrote, in OpenAI's batch format.

A line is `{"custom_id", "response": {"status_code", "request_id", "body"}, "error"}`. Lines come in
any order; ids say which page each is about, see `qwen_ocr_tools.batch.requests.custom_id`.
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import openai
from pydantic import BaseModel, ValidationError

from qwen_ocr.errors import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    OCRError,
    ResponseError,
)
from qwen_ocr.options import ReadOptions
from qwen_ocr.profiles import profile_of
from qwen_ocr.responses import Reading, checked, read_completion
from qwen_ocr.results import OCRResult
from qwen_ocr.sdk_errors import translate_errors
from qwen_ocr_tools.batch.reading import Job
from qwen_ocr_tools.batch.requests import URL, custom_id

OK = 200
NOT_SAID = 500
"""Status of an answer that is an error and does not say which."""


class _Response(BaseModel):
    status_code: int = OK
    request_id: str | None = None
    body: Any = None


class _Answer(BaseModel):
    custom_id: str
    response: _Response | None = None
    error: Any = None

    @property
    def succeeded(self) -> bool:
        """Whether it holds a completion."""
        return self.error is None and self.response is not None and self.response.status_code == OK

    def http(self) -> httpx2.Response:
        """The answer as a server would have given it."""
        response = self.response or _Response(status_code=NOT_SAID)
        status = response.status_code
        if not self.succeeded and status < httpx2.codes.BAD_REQUEST:
            status = NOT_SAID
        headers = {"x-request-id": response.request_id} if response.request_id else {}
        body = response.body if self.error is None else self.error
        request = httpx2.Request("POST", f"http://vllm-run-batch{URL}")
        return httpx2.Response(status, headers=headers, json=body, request=request)

    def result(self, prompt: str = "") -> OCRResult:
        """The answer to a prompt, with a latency of 0, which nobody measured. Raises what a
        server's would. In which form the model writes is told by its name."""
        response = self.http()
        if self.succeeded:
            result = read_completion(response, latency=0.0)
            form = profile_of(result.model).form_of(prompt)
            return read_completion(response, Reading(form), latency=0.0) if form else result
        body = response.json()
        body = body.get("error", body) if isinstance(body, dict) else {"message": body}
        with translate_errors():
            raise openai.APIStatusError("the request failed", response=response, body=body)


class AnswerReader:
    """The answers in a file, found by page; a context manager.

    Only where each begins is held in memory. Of several about one page the last that succeeded
    counts, or else the last. Raises `ConfigurationError` for a file that cannot be read or holds
    no answer at all.
    """

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self._path = path
        self._options = options
        self._places: dict[str, int] = {}
        """Of lines in the file, in bytes from its beginning, by `custom_id`."""
        self._known = 0
        self._broken: list[int] = []
        self._repeated = 0
        try:
            self._file = path.open("rb")
        except OSError as exc:
            raise ConfigurationError(f"{path}: {exc.strerror}") from exc
        try:
            self._index()
        except BaseException:
            self._file.close()
            raise

    def _index(self) -> None:
        succeeded: set[str] = set()
        place = 0
        for number, line in enumerate(self._file, 1):
            if line.strip():
                answer = _parse(line)
                if answer is None:
                    self._broken.append(number)
                else:
                    name = answer.custom_id
                    self._repeated += name in self._places
                    if answer.succeeded or name not in succeeded:
                        self._places[name] = place
                    if answer.succeeded:
                        succeeded.add(name)
            place += len(line)
        if not self._places:
            raise ConfigurationError(f"{self._path}: there is no answer of `vllm run-batch` in it")

    def knows(self, job: Job) -> bool:
        """Whether there is an answer about this page, unchanged, and this prompt."""
        known = custom_id(job.description) in self._places
        self._known += known
        return known

    async def read(self, job: Job) -> OCRResult:
        """The text of a page that it knows. Raises `OCRError` as a client does."""
        self._file.seek(self._places[custom_id(job.description)])
        answer = _Answer.model_validate_json(self._file.readline())
        return checked(answer.result(job.description["prompt"]), self._options)

    async def check(self, error: OCRError) -> None:
        """Raise what no page is to blame for, such as a model of another name."""
        if isinstance(error, AuthenticationError | NotFoundError):
            raise error

    def remarks(self) -> list[str]:
        """What in the file was of no use."""
        remarks = []
        if others := len(self._places) - self._known:
            remarks.append(
                f"answers about other pages, another prompt, or files that have changed: {others:,}"
            )
        if self._repeated:
            remarks.append(f"further answers about pages that have one: {self._repeated:,}")
        if self._broken:
            remarks.append(
                f"lines that are no answers: {len(self._broken):,}, the first of them "
                f"line {self._broken[0]:,} of {self._path}"
            )
        return remarks

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def _parse(line: bytes) -> _Answer | None:
    try:
        answer = _Answer.model_validate_json(line)
        if answer.succeeded:
            answer.result()
    except (ValidationError, ResponseError):
        return None
    return answer
