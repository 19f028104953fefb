"""`qwen-ocr eval` from end to end, against a server that reads whatever it is told to."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qwen_ocr_tools.cli import app
from qwen_ocr_tools.evaluation.summary import Evaluation, load_results

MODEL = "Qwen/Qwen3-VL-8B-Instruct"
ROWS: tuple[dict[str, Any], ...] = (
    {"file": "a.png", "text": "TOTAL 12.50", "kind": "receipt"},
    {"file": "b.png", "text": "TOTAL 12.60", "kind": "receipt"},
    {"file": "c.png", "text": "nothing alike at all", "kind": "letter"},
)
Run = Callable[..., Any]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report"


@pytest.fixture
def run(server: Any, report: Path, monkeypatch: pytest.MonkeyPatch, confident: Any) -> Run:
    """Runs `qwen-ocr eval`; every page is read as TOTAL 12.50."""
    monkeypatch.setenv("QWEN_OCR_BASE_URL", server.url)
    monkeypatch.setenv("QWEN_OCR_MAX_RETRIES", "0")
    server.answer(confident("TOTAL 12.50"))
    return lambda *args: CliRunner().invoke(app, ["eval", *map(str, args), "-o", str(report)])


def results(report: Path) -> Evaluation:
    return load_results(report)


def test_a_run(run: Run, dataset: Any, report: Path, server: Any) -> None:
    done = run(dataset(*ROWS), "--price-per-hour", "2")
    assert done.exit_code == 0, done.output
    assert "receipt" in done.stdout
    assert str(report / "report.html") in done.stdout
    (model,) = results(report).runs
    assert (model.engine, len(model.pages), model.failed) == (MODEL, 3, [])
    # By hand: 0 + 1 + 19 edits on 11 + 11 + 20 characters.
    edits = [page.ratios["cer"].part for page in sorted(model.pages, key=lambda p: p.page)]
    assert edits[:2] == [0, 1]
    assert model.scores["cer"].micro == pytest.approx(sum(edits) / 42)
    assert model.kinds["receipt"]["cer"].micro == pytest.approx(1 / 22)
    assert model.scores["exact"].micro == pytest.approx(1 / 3)
    assert model.calibration is not None
    # Of the six words read, TOTAL, TOTAL and 12.50 are right; one token makes all as sure.
    assert (model.calibration.words, model.calibration.wrong) == (6, 3)
    speed = model.speed
    assert speed is not None
    assert (speed.prompt_tokens, speed.completion_tokens) == (70, 5)
    assert speed.cost_per_million_pages == pytest.approx(2e6 / 3600 / speed.pages_per_second)
    assert len(server.chats) == 3
    assert all(chat["logprobs"] for chat in server.chats)


def test_languages(run: Run, dataset: Any, report: Path) -> None:
    languages = ("de", "fr", None)
    rows = (row | {"language": tongue} for row, tongue in zip(ROWS, languages, strict=True))
    assert run(dataset(*rows)).exit_code == 0
    (model,) = results(report).runs
    assert list(model.languages) == ["de", "fr"]
    assert model.languages["fr"]["cer"].micro == pytest.approx(1 / 11)
    assert "By language" in (report / "report.html").read_text()


def test_json(run: Run, dataset: Any, report: Path) -> None:
    done = run(dataset(*ROWS), "--json")
    assert done.exit_code == 0
    printed = json.loads(done.stdout)
    assert printed == json.loads((report / "results.json").read_text())
    assert printed["runs"][0]["scores"]["cer"]["pages"] == 3


@pytest.mark.parametrize(("limit", "code"), [("0.6", 0), ("0.1", 1)])
def test_a_gate(run: Run, dataset: Any, limit: str, code: int) -> None:
    done = run(dataset(*ROWS), "--fail-above", limit)
    assert done.exit_code == code
    assert ("is above --fail-above 0.1" in done.stderr) == bool(code)


def test_a_finished_run_reads_nothing_again(run: Run, dataset: Any, server: Any) -> None:
    folder = dataset(*ROWS)
    first = run(folder)
    again = run(folder)
    assert len(server.chats) == 3
    assert f"{MODEL}: pages read already: 3; to go: 0" in again.stderr
    assert first.stdout == again.stdout


def test_corrected_truth_needs_no_reading(
    run: Run, dataset: Any, report: Path, server: Any
) -> None:
    run(dataset(*ROWS))
    run(dataset(*ROWS[:2], ROWS[2] | {"text": "TOTAL 12.50"}))
    assert len(server.chats) == 3
    assert results(report).runs[0].scores["cer"].micro == pytest.approx(1 / 33)


def test_a_new_picture_is_read_again(
    run: Run, dataset: Any, server: Any, picture: Callable[[Path, str], Path]
) -> None:
    folder = dataset(*ROWS)
    run(folder)
    picture(folder / "b.png", "another")
    done = run(folder)
    assert len(server.chats) == 4
    assert "read already: 2; to go: 1; pictures that have changed since: 1" in done.stderr


def test_an_interrupted_run_goes_on(run: Run, dataset: Any, report: Path, server: Any) -> None:
    folder = dataset(*ROWS)
    run(folder)
    (journal,) = (report / "readings").iterdir()
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    # As a crash in the middle of a line leaves it.
    journal.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    done = run(folder)
    assert done.exit_code == 0
    assert "pages read already: 1; to go: 2" in done.stderr
    assert len(server.chats) == 5
    assert len(journal.read_bytes().splitlines()) == 4


def test_ctrl_c_loses_nothing(run: Run, dataset: Any, report: Path, server: Any) -> None:
    folder = dataset(*ROWS)
    answer = server.answers[0].body
    server.answer(answer, delay=5)
    server.answer_first(answer)
    program = [
        sys.executable,
        "-c",
        "from qwen_ocr_tools.cli import app; app()",
        "eval",
        str(folder),
    ]
    with subprocess.Popen(
        [*program, "-o", str(report), "--concurrency", "1"],
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while len(server.chats) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        server.released.set()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in stderr
    assert "Traceback" not in stderr
    done = run(folder)
    assert done.exit_code == 0
    assert "pages read already: 1; to go: 2" in done.stderr


def test_nothing_in_any_truth(run: Run, dataset: Any, server: Any, answered: Any) -> None:
    server.answer(answered('{"total": null}'))
    done = run(dataset({"file": "a.png", "fields": {"total": None}}), "--task", "fields")
    assert done.exit_code == 1
    assert "nothing to compare" in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [("--prompt", "markdown", "prompt"), ("--max-image-tokens", "99", "max_image_tokens")],
)
def test_other_settings_are_not_mixed_in(
    run: Run, dataset: Any, server: Any, option: str, value: str, named: str
) -> None:
    folder = dataset(*ROWS)
    run(folder)
    refused = run(folder, option, value)
    assert refused.exit_code == 1
    assert f"holds readings with {named} " in refused.stderr
    assert "--restart" in refused.stderr
    assert len(server.chats) == 3
    assert run(folder, option, value, "--restart").exit_code == 0
    assert len(server.chats) == 6


def test_a_strange_file_among_the_readings_is_left_alone(
    run: Run, dataset: Any, report: Path
) -> None:
    folder = dataset(*ROWS)
    run(folder)
    (journal,) = (report / "readings").iterdir()
    journal.write_text("dear diary\n")
    done = run(folder)
    assert done.exit_code == 1
    assert "is no journal of this program" in done.stderr
    assert journal.read_text() == "dear diary\n"


def test_a_page_that_fails_counts_as_unread_and_is_tried_again(
    run: Run, dataset: Any, report: Path, server: Any
) -> None:
    folder = dataset(*ROWS)
    server.answer_first(b'{"error": {"message": "no such luck"}}', status=500)
    done = run(folder, "--concurrency", "1")
    assert done.exit_code == 1
    assert "could not read a.png" in done.stderr
    assert "no such luck" in done.stderr
    (model,) = results(report).runs
    page = next(page for page in model.pages if page.page == "a.png")
    assert page.ratios["cer"] == (11, 11)
    assert "no such luck" in (report / "report.html").read_text()
    assert run(folder).exit_code == 0
    assert len(server.chats) == 4


def test_a_picture_that_is_none(run: Run, dataset: Any, report: Path) -> None:
    folder = dataset(*ROWS)
    (folder / "b.png").write_text("not a picture")
    done = run(folder)
    assert done.exit_code == 1
    assert "b.png: not an image" in done.stderr
    assert [page.page for page in results(report).runs[0].failed] == ["b.png"]


@pytest.mark.parametrize("status", [401, 404, 503])
def test_what_would_fail_for_every_page_stops_the_run(
    run: Run, dataset: Any, report: Path, server: Any, confident: Any, status: int
) -> None:
    folder = dataset(*ROWS)
    server.answer(b'{"error": {"message": "not now"}}', status=status)
    server.answer_first(confident("TOTAL 12.50"))
    done = run(folder, "--concurrency", "1")
    assert done.exit_code == 1
    assert "not now" in done.stderr
    assert not (report / "report.html").exists()
    server.answer(confident("TOTAL 12.50"))
    done = run(folder)
    assert done.exit_code == 0
    assert "pages read already: 1; to go: 2" in done.stderr


def test_loops_and_cut_off_pages_are_counted(
    run: Run, dataset: Any, report: Path, server: Any, confident: Any
) -> None:
    server.answer_first(confident("TOTAL", finish_reason="length"))
    assert run(dataset(*ROWS), "--concurrency", "1").exit_code == 0
    (model,) = results(report).runs
    assert model.scores["truncated"].micro == pytest.approx(1 / 3)
    assert model.scores["repetition"].micro == 0
    assert "length: text is missing" in (report / "report.html").read_text()


def test_broken_rows_are_told_and_fail_the_run(run: Run, dataset: Any, report: Path) -> None:
    done = run(dataset(*ROWS, "{"))
    assert done.exit_code == 1
    assert "left out: truth.jsonl line 4: Invalid JSON" in done.stderr
    assert len(results(report).runs[0].pages) == 3
    assert "truth.jsonl line 4" in (report / "report.html").read_text()


def test_two_runs_are_compared(
    run: Run, dataset: Any, report: Path, server: Any, confident: Any, tmp_path: Path
) -> None:
    folder = dataset(*({"file": f"{i}.png", "text": "TOTAL 12.50"} for i in range(12)))
    run(folder)
    earlier = report.rename(tmp_path / "earlier")
    server.answer(confident("TOTAL 12"))
    done = run(folder, "--compare", earlier)
    assert done.exit_code == 0
    assert "the difference is real" in done.stdout
    (comparison,) = results(report).comparisons
    assert comparison.second == f"{MODEL} in {earlier}"
    assert comparison.difference == pytest.approx(3 / 11)
    assert comparison.p < 0.01
    same = run(folder, "--compare", report)
    assert "it may be chance" in same.stdout


def test_no_page_in_common(run: Run, dataset: Any, report: Path, tmp_path: Path) -> None:
    run(dataset(*ROWS))
    earlier = report.rename(tmp_path / "earlier")
    done = run(dataset({"file": "z.png", "text": "z"}), "--compare", earlier)
    assert done.exit_code == 1
    assert "no page with the same truth" in done.stderr


def test_nothing_to_compare_with(run: Run, dataset: Any, tmp_path: Path) -> None:
    done = run(dataset(*ROWS), "--compare", tmp_path)
    assert done.exit_code == 1
    assert "no earlier report" in done.stderr


def test_a_sweep(run: Run, dataset: Any, report: Path, server: Any) -> None:
    folder = dataset(*ROWS)
    done = run(folder, "--sweep", "max_pixels=64,256", 'prompt=text,"Read, please"')
    assert done.exit_code == 0, done.output
    names = [model.engine for model in results(report).runs]
    assert names == [
        "max_pixels=64 prompt=text",
        "max_pixels=64 prompt=Read, please",
        "max_pixels=256 prompt=text",
        "max_pixels=256 prompt=Read, please",
    ]
    assert [run.settings["max_image_tokens"] for run in results(report).runs] == [64, 64, 256, 256]
    prompts = [chat["messages"][0]["content"][1]["text"] for chat in server.chats]
    assert sorted(set(prompts)) == ["Read all the text in the image.", "Read, please"]
    assert len(prompts) == 12
    assert "Accuracy against speed" in (report / "report.html").read_text()
    run(folder, "--sweep", "max_pixels=64,256", 'prompt=text,"Read, please"')
    assert len(server.chats) == 12


def test_fields(run: Run, dataset: Any, report: Path, server: Any, answered: Any) -> None:
    fields = {"Total (EUR)": 12.5, "items": [{"name": "tea"}], "seller": "Nord"}
    folder = dataset({"file": "a.png", "fields": fields})
    answer = {"Total (EUR)": "12.5", "items": [{"name": "tea"}], "seller": None}
    server.answer(answered(json.dumps(answer)))
    assert run(folder, "--task", "fields").exit_code == 0
    (model,) = results(report).runs
    assert model.scores["field_f1"].micro == pytest.approx(4 / 5)
    schema = server.chats[0]["response_format"]["json_schema"]["schema"]
    assert set(schema["properties"]) == set(fields)
    assert "no page has a truth for the task 'text'" in run(folder).stderr


def test_an_answer_in_no_form(
    run: Run, dataset: Any, report: Path, server: Any, answered: Any
) -> None:
    server.answer(answered("{"))
    assert (
        run(dataset({"file": "a.png", "fields": {"total": 1}}), "--task", "fields").exit_code == 1
    )
    assert results(report).runs[0].scores["field_f1"].micro == 0


def test_boxes(run: Run, dataset: Any, report: Path, server: Any, answered: Any) -> None:
    boxes = [{"text": "x", "box": [0, 0, 60, 20]}, {"text": "y", "box": [0, 30, 60, 40]}]
    spots = [{"bbox_2d": [0, 0, 500, 500], "text_content": "x"}]
    server.answer(answered(json.dumps(spots)))
    assert run(dataset({"file": "a.png", "boxes": boxes}), "--task", "boxes").exit_code == 0
    assert results(report).runs[0].scores["box_recall"].micro == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sweep", "temperature=1"], "what can be varied is max_pixels and prompt"),
        (["--sweep", "max_pixels=big"], "'big' is not a whole number"),
        (["--sweep", "max_pixels"], "write name=value,value"),
        (["--sweep", "prompt=a", "prompt=b"], "the same name twice"),
        (["--task", "tables"], "there are text, fields, boxes"),
        (["--baseline", "abbyy"], "there are tesseract, rapidocr"),
        (["--baseline", "tesseract:dpi=3"], "tesseract has no setting dpi"),
        (["--base-url", "http://localhost:1"], "is the server running"),
        (["second"], "give one dataset, not 2"),
    ],
)
def test_mistakes_are_one_line(
    run: Run, dataset: Any, server: Any, options: list[str], message: str
) -> None:
    done = run(dataset(*ROWS), *options)
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert message in line
    assert server.chats == []


def test_a_report_that_cannot_be_written(run: Run, dataset: Any, report: Path) -> None:
    report.write_text("a file")
    done = run(dataset(*ROWS))
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert str(report) in line


def test_no_dataset(run: Run, tmp_path: Path) -> None:
    done = run(tmp_path / "none")
    assert done.exit_code == 1
    assert "no such folder" in done.stderr


@pytest.mark.parametrize(
    ("specification", "advice"),
    [("tesseract", "apt-get install tesseract-ocr"), ("rapidocr", "pip install 'qwen-ocr[eval]'")],
)
def test_a_baseline_that_is_not_installed(
    run: Run, dataset: Any, monkeypatch: pytest.MonkeyPatch, specification: str, advice: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    done = run(dataset(*ROWS), "--baseline", specification)
    assert done.exit_code == 1
    assert advice in done.stderr


def test_without_the_extra(run: Run, dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("qwen_ocr_tools.evaluation")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    done = run(dataset(*ROWS))
    assert done.exit_code == 1
    assert "pip install 'qwen-ocr[eval]'" in done.stderr
