"""`qwen-ocr batch` with files of `vllm run-batch` in place of a server."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qwen_ocr import OCRClient
from qwen_ocr_tools.cli import app

MODEL = "Qwen/Qwen3-VL-8B-Instruct"
Run = Callable[..., Any]
Line = dict[str, Any]


@pytest.fixture
def scans(tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three images, which is in the current folder."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (folder / name).write_bytes(png)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def run(dead_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command where no server can be asked."""
    monkeypatch.setenv("QWEN_OCR_BASE_URL", dead_url)
    monkeypatch.setenv("QWEN_OCR_SERVED_MODEL_NAME", MODEL)
    return lambda *args, **kwargs: CliRunner().invoke(app, ["batch", *map(str, args)], **kwargs)


def lines(name: str) -> list[Line]:
    return [json.loads(line) for line in Path(name).read_text("utf-8").splitlines()]


@pytest.fixture
def written(run: Run, scans: Path) -> list[Line]:
    """The requests for all scans."""
    assert run("scans", "--write-requests", "requests.jsonl").exit_code == 0
    return lines("requests.jsonl")


@pytest.fixture
def answer(answered: Any) -> Callable[..., Line]:
    """The answer to a request as `vllm run-batch` writes it (`BatchRequestOutput`)."""

    def build(request: Line, text: str = "TOTAL 12.50", **completion: Any) -> Line:
        body = json.loads(answered(text, **completion))
        response = {"status_code": 200, "request_id": "vllm-batch-1", "body": body}
        return {
            "id": "vllm-1",
            "custom_id": request["custom_id"],
            "response": response,
            "error": None,
        }

    return build


def refusal(request: Line, status: int = 400, error: object = "out of luck") -> Line:
    response = {"status_code": status, "request_id": "vllm-batch-2", "body": None}
    return {
        "id": "vllm-2",
        "custom_id": request["custom_id"],
        "response": response,
        "error": error,
    }


def write_answers(*answers: Line | str) -> None:
    texts = [answer if isinstance(answer, str) else json.dumps(answer) for answer in answers]
    Path("answers.jsonl").write_text("\n".join(texts) + "\n", "utf-8")


READ = ("scans", "--read-answers", "answers.jsonl", "-o", "out.jsonl")


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {}),
        (["--max-tokens", "7", "--confidence"], {"max_tokens": 7, "confidence": True}),
    ],
)
def test_requests_are_those_of_the_client(
    run: Run, scans: Path, server: Any, arguments: list[str], options: Any
) -> None:
    assert run("scans/a.png", "--write-requests", "r.jsonl", *arguments).exit_code == 0
    with OCRClient(server.url, model=MODEL) as client:
        client.ocr(scans / "a.png", **options)
    (request,) = lines("r.jsonl")
    assert request["body"] == server.chats[0]
    assert (request["method"], request["url"]) == ("POST", "/v1/chat/completions")


def test_requests_name_their_pages(written: list[Line], run: Run) -> None:
    names = [request["custom_id"] for request in written]
    assert len(set(names)) == 3
    assert run("scans", "--write-requests", "again.jsonl").exit_code == 0
    assert [request["custom_id"] for request in lines("again.jsonl")] == names
    assert run("scans", "--write-requests", "other.jsonl", "--task", "table").exit_code == 0
    assert not {request["custom_id"] for request in lines("other.jsonl")} & set(names)


def test_pages_that_cannot_be_opened_have_no_request(run: Run, scans: Path) -> None:
    (scans / "b.png").write_bytes(b"no image")
    result = run("scans", "--write-requests", "requests.jsonl")
    assert result.exit_code == 1
    assert len(lines("requests.jsonl")) == 2
    assert "b.png" in result.stderr
    assert "pages without a request: 1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--write-requests", "r.jsonl", "-o", "out.jsonl"], "--output has no meaning"),
        (["--write-requests", "r.jsonl", "--read-answers", "a.jsonl"], "--read-answers has no"),
        (["--write-requests", "r.jsonl", "--sidecar"], "--sidecar has no meaning"),
        (["--write-requests", "scans/a.png"], "is there already"),
        (["--read-answers", "a.jsonl"], "--output: say which file"),
        (["--read-answers", "none.jsonl", "-o", "out.jsonl"], "No such file"),
        (["--read-answers", "scans/a.png", "-o", "out.jsonl"], "there is no answer of `vllm"),
        (["--read-answers", "scans/a.png", "-o", "o.jsonl", "--concurrency", "2"], "--concurrency"),
        ([], "--output: say which file"),
    ],
)
def test_wrong_usage(run: Run, scans: Path, png: bytes, arguments: list[str], message: str) -> None:
    result = run("scans", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert (scans / "a.png").read_bytes() == png
    assert [path.name for path in scans.parent.iterdir()] == ["scans"]


def test_the_model_has_to_be_named(run: Run, scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QWEN_OCR_SERVED_MODEL_NAME")
    result = run("scans", "--write-requests", "requests.jsonl")
    assert result.exit_code == 2
    assert "--model or QWEN_OCR_SERVED_MODEL_NAME" in result.stderr


def test_a_folder_that_is_not_there(run: Run, scans: Path) -> None:
    result = run("scans", "--write-requests", "none/requests.jsonl")
    assert result.exit_code == 1
    assert "no such folder" in result.stderr


def test_stopped_requests_leave_no_file(
    run: Run, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **_options: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("qwen_ocr_tools.batch.requests.to_url", stop)
    assert run("scans", "--write-requests", "requests.jsonl").exit_code == 130
    assert [path.name for path in Path().iterdir()] == ["scans"]


def test_answers_become_the_lines_of_a_batch(
    run: Run, scans: Path, written: list[Line], answer: Any, server: Any
) -> None:
    write_answers(*[answer(request) for request in reversed(written)])
    result = run(*READ)
    assert result.exit_code == 0, result.stderr
    online = run("scans", "-o", "online.jsonl", "--base-url", server.url)
    assert online.exit_code == 0, online.stderr

    def comparable(name: str) -> list[Line]:
        own = ("latency", "request_id")
        found = [{key: line[key] for key in line if key not in own} for line in lines(name)]
        return sorted(found, key=lambda line: str(line["file"]))

    assert comparable("out.jsonl") == comparable("online.jsonl")
    assert {line["request_id"] for line in lines("out.jsonl")} == {"vllm-batch-1"}


def test_each_text_goes_to_its_page(run: Run, written: list[Line], answer: Any) -> None:
    texts = ["first", "second", "third"]
    answers = [answer(request, text) for request, text in zip(written, texts, strict=True)]
    write_answers(answers[2], answers[0], "", answers[1])
    assert run(*READ, "--sidecar").exit_code == 0
    found = {Path(line["file"]).name: line["text"] for line in lines("out.jsonl")}
    assert found == {"a.png": "first", "b.png": "second", "c.png": "third"}
    assert Path("scans/b.txt").read_text("utf-8").strip() == "second"


def test_missing_answers_are_left_to_a_server(
    run: Run, written: list[Line], answer: Any, server: Any
) -> None:
    write_answers(answer(written[1]))
    result = run(*READ)
    assert result.exit_code == 1
    assert "pages without an answer: 2" in result.stderr
    assert [Path(line["file"]).name for line in lines("out.jsonl")] == ["b.png"]
    assert run("scans", "-o", "out.jsonl", "--base-url", server.url).exit_code == 0
    assert len(lines("out.jsonl")) == 3
    assert len(server.chats) == 2


def test_answers_in_several_files(run: Run, written: list[Line], answer: Any) -> None:
    for request, code in zip(written, (1, 1, 0), strict=True):
        write_answers(answer(request))
        result = run(*READ)
        assert result.exit_code == code
        assert "answers about other" not in result.stderr
    assert len(lines("out.jsonl")) == 3


@pytest.mark.parametrize(
    ("status", "error", "name", "message"),
    [
        (400, "the prompt is too long", "BadRequestError", "the prompt is too long"),
        (
            400,
            {"error": {"message": "too long", "type": "BadRequestError", "code": 400}},
            "BadRequestError",
            "too long",
        ),
        (500, {"message": "died"}, "ServerError", "died"),
        (503, "full", "OverloadedError", "full"),
        (200, "stream mode", "ServerError", "stream mode"),
    ],
)
def test_a_failed_answer_is_a_failed_page(
    run: Run, written: list[Line], answer: Any, status: int, error: Any, name: str, message: str
) -> None:
    write_answers(answer(written[0]), refusal(written[1], status, error), answer(written[2]))
    result = run(*READ)
    assert result.exit_code == 1
    assert "1 failed" in result.stderr
    (line,) = [line for line in lines("out.jsonl") if "error" in line]
    assert Path(line["file"]).name == "b.png"
    assert line["error"] == name
    assert message in line["message"]
    assert line["request_id"] == "vllm-batch-2"


def test_an_answer_without_a_response(run: Run, written: list[Line], answer: Any) -> None:
    write_answers(
        {"id": "1", "custom_id": written[0]["custom_id"], "response": None, "error": "expired"},
        *map(answer, written[1:]),
    )
    assert run(*READ).exit_code == 1
    (line,) = [line for line in lines("out.jsonl") if "error" in line]
    assert (line["error"], line["status"]) == ("ServerError", 500)
    assert "expired" in line["message"]


def test_an_answer_that_is_cut_off(run: Run, written: list[Line], answer: Any) -> None:
    write_answers(answer(written[0], "TOT", finish_reason="length"), *map(answer, written[1:]))
    assert run(*READ).exit_code == 1
    (line,) = [line for line in lines("out.jsonl") if "error" in line]
    assert (line["error"], line["partial"]) == ("TruncatedError", "TOT")
    assert run(*READ, "--retry-failed", "--allow-truncated").exit_code == 0
    assert {line["text"] for line in lines("out.jsonl")} == {"TOT", "TOTAL 12.50"}


@pytest.mark.parametrize(
    "error", [{"message": "The model does not exist.", "code": 404}, "The model does not exist."]
)
def test_a_model_of_another_name_stops_the_batch(
    run: Run, written: list[Line], error: object
) -> None:
    write_answers(*[refusal(request, 404, error) for request in written])
    result = run(*READ)
    assert result.exit_code == 1
    assert "The model does not exist." in result.stderr
    assert "base_url, or leave model" in result.stderr
    assert lines("out.jsonl") == []


BROKEN = [
    "no JSON",
    "[]",
    '{"custom_id": 7}',
    '{"id": "vllm-1", "response": {"status_code": 200}}',
    '{"custom_id": "{id}", "response": {"status_code": 200, "body": {"choices": []}}}',
    '{"custom_id": "{id}", "response": {"status_code": 200, "body": null}}',
    '{"custom_id": "{id}", "respo',
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_line_costs_its_own_page_alone(
    run: Run, written: list[Line], answer: Any, broken: str
) -> None:
    line = broken.replace("{id}", written[0]["custom_id"])
    write_answers(answer(written[1]), line, answer(written[2]))
    result = run(*READ)
    assert result.exit_code == 1
    output = " ".join(result.stderr.split())
    assert "lines that are no answers: 1, the first of them line 2 of answers.jsonl" in output
    assert "pages without an answer: 1" in output
    assert len(lines("out.jsonl")) == 2


def test_of_several_answers_the_last_good_one_counts(
    run: Run, written: list[Line], answer: Any
) -> None:
    write_answers(
        refusal(written[0]),
        answer(written[0], "old"),
        answer(written[0], "new"),
        refusal(written[0]),
        *map(answer, written[1:]),
    )
    result = run(*READ)
    assert result.exit_code == 0
    assert "further answers about pages that have one: 3" in result.stderr
    assert "new" in {line["text"] for line in lines("out.jsonl")}


def test_answers_about_something_else(
    run: Run, scans: Path, written: list[Line], answer: Any
) -> None:
    os.utime(scans / "a.png", ns=(1, 1))
    write_answers(*map(answer, written), answer({"custom_id": "somebody else's"}))
    result = run(*READ)
    assert result.exit_code == 1
    assert "files that have changed: 2" in " ".join(result.stderr.split())
    assert "pages without an answer: 1" in result.stderr
    assert len(lines("out.jsonl")) == 2


def test_answers_to_another_prompt(run: Run, written: list[Line], answer: Any) -> None:
    write_answers(*map(answer, written))
    result = run(*READ, "--prompt", "What is the total?")
    assert result.exit_code == 1
    assert "pages without an answer: 3" in result.stderr
    assert lines("out.jsonl") == []
