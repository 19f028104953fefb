"""`eval`: error rates on pages with known text; exit code 1 if anything failed, or a gate did."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qwen_ocr.batch import CONCURRENCY
from qwen_ocr.errors import ConfigurationError, OCRError
from qwen_ocr.prompts import DEFAULT_PROMPT
from qwen_ocr_tools.cli.common import ApiKey, BaseUrl, ModelName, complain

if TYPE_CHECKING:
    from qwen_ocr_tools.evaluation.engines import Engine
    from qwen_ocr_tools.evaluation.evaluate import Watcher
    from qwen_ocr_tools.evaluation.summary import Evaluation

TASKS = ("text", "fields", "boxes")


def evaluate(
    dataset: Annotated[
        list[str],
        typer.Argument(
            metavar="DATASET",
            help="Folder with truth.jsonl, with page.png and page.txt pairs, with hOCR or ALTO "
            "files, or of OmniDocBench or olmOCR-bench.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the report and the readings.")
    ] = Path("report"),
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="Compare with tesseract[:languages=deu+eng,psm=3] or rapidocr."),
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(help="Compare with an earlier report, page by page.")
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            help="Read with each of several settings: max_pixels=256,1024 (in visual tokens) or "
            "prompt=text,markdown."
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="What to read: text (if none is named), fields or boxes."),
    ] = None,
    prompt: Annotated[
        str, typer.Option(help="What to ask for, or a preset such as markdown.")
    ] = DEFAULT_PROMPT,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    model: ModelName = None,
    max_image_tokens: Annotated[
        int | None, typer.Option(min=1, help="Visual tokens that a page may cost.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens that a reading may have.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Pages in flight.")] = CONCURRENCY,
    price_per_hour: Annotated[
        float | None, typer.Option(min=0, help="Of the server, for the cost per million pages.")
    ] = None,
    fail_above: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Exit with 1 if the CER is above this, such as 0.05."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the results as JSON in place of the table.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Read all pages again, whatever is there already.")
    ] = False,
) -> None:
    """Measure how well pages are read, and write a report with pictures of what went wrong.

    A run that was interrupted goes on where it stopped when it is started again. Pages that cannot
    be read count as read empty; broken rows of the dataset are named and left out. Both end in exit
    code 1, as does a CER above --fail-above.
    """
    try:
        from qwen_ocr_tools.evaluation.baselines import baseline as make_baseline
        from qwen_ocr_tools.evaluation.engines import QwenOCR
        from qwen_ocr_tools.evaluation.evaluate import evaluate as run
        from qwen_ocr_tools.evaluation.loading import load_dataset
        from qwen_ocr_tools.evaluation.sweep import combinations, prompt_of
    except ImportError as exc:
        complain(f"eval needs more than the client ({exc}): pip install 'qwen-ocr[eval]'")
        raise typer.Exit(1) from exc

    options: dict[str, Any] = {
        "api_key": api_key,
        "model": model,
        "prompt": prompt_of(prompt),
        "max_image_tokens": max_image_tokens,
        "max_tokens": max_tokens,
        "concurrency": concurrency,
    }
    try:
        path, sweeps = _split(dataset, sweep)
        pages = load_dataset(path)
        for problem in pages.problems:
            complain(f"left out: {problem}")
        baselines = [make_baseline(specification) for specification in baseline or ()]
        with ExitStack() as stack:
            engines: list[Engine] = [
                stack.enter_context(QwenOCR(base_url, **options | varied, label=label or None))
                for label, varied in combinations(sweeps)
            ]
            evaluation = run(
                pages,
                [*engines, *baselines],
                output,
                _watcher(stack),
                tasks=_tasks(task),
                earlier=compare,
                price_per_hour=price_per_hour,
                restart=restart,
            )
    except (OCRError, OSError) as exc:  # the report's folder may be full or no folder
        complain(str(exc))
        raise typer.Exit(1) from exc
    except KeyboardInterrupt as exc:
        complain(f"interrupted; what was read is in {output}: the same command goes on from there")
        raise typer.Exit(130) from exc
    _show(evaluation, output, as_json=as_json)
    raise typer.Exit(_exit_code(evaluation, fail_above))


def _split(arguments: list[str], sweep: list[str] | None) -> tuple[Path, list[str]]:
    """The dataset, and everything to sweep, which may follow one `--sweep` in several words."""
    more = [argument for argument in arguments if sweep and "=" in argument]
    datasets = [argument for argument in arguments if argument not in more]
    if len(datasets) != 1:
        raise ConfigurationError(f"give one dataset, not {len(datasets)}")
    return Path(datasets[0]), [*(sweep or ()), *more]


def _tasks(names: list[str] | None) -> Any:
    for name in names or ():
        if name not in TASKS:
            raise ConfigurationError(f"--task {name}: there are {', '.join(TASKS)}")
    return list(dict.fromkeys(names or ("text",)))


def _watcher(stack: ExitStack) -> "Watcher":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from qwen_ocr_tools.evaluation.evaluate import Watcher

    console = Console(stderr=True)
    progress: Progress = stack.enter_context(
        Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            Remaining(),
            console=console,
            disable=not console.is_terminal,
        )
    )
    current: list[Any] = []

    def begins(engine: str, to_read: int, known: int, changed: int) -> None:
        if known or changed:
            note = f"; pictures that have changed since: {changed}" if changed else ""
            complain(f"{engine}: pages read already: {known}; to go: {to_read}{note}")
        current[:] = [progress.add_task(engine, total=known + to_read, completed=known)]

    def read(_reading: object) -> None:
        progress.advance(current[0])

    return Watcher(begins, read)


def _show(evaluation: "Evaluation", output: Path, *, as_json: bool) -> None:
    from rich.console import Console

    from qwen_ocr_tools.evaluation.report import REPORT
    from qwen_ocr_tools.evaluation.table import tables

    if as_json:
        typer.echo(evaluation.to_json())
        return
    console = Console()
    if not console.is_terminal:
        console.width = 160  # a file or a pipe has none, and cut-off numbers help nobody
    console.print(tables(evaluation), highlight=False)
    console.print(f"report: {output / REPORT}", markup=False, highlight=False, soft_wrap=True)


def _exit_code(evaluation: "Evaluation", fail_above: float | None) -> int:
    code = 0
    for run in evaluation.runs:
        for page in run.failed[:10]:
            complain(f"{run.engine} could not read {page.page}: {page.error}")
        if len(run.failed) > 10:
            complain(f"{run.engine}: {len(run.failed) - 10} more could not be read, see the report")
        code = max(code, bool(run.failed))
    if evaluation.problems:
        complain(f"parts of the dataset were left out: {len(evaluation.problems)}, see above")
        code = 1
    if fail_above is not None:
        score = evaluation.runs[0].scores.get("cer")
        if score is None:
            complain("--fail-above: no page has text to compute a CER from")
            return 1
        if score.micro > fail_above:
            complain(f"CER {score.micro:.4f} is above --fail-above {fail_above}")
            return 1
    return code
