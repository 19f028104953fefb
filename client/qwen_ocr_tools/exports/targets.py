"""Which file each document becomes."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from urllib.parse import urlsplit

from qwen_ocr.errors import ConfigurationError, OutputError
from qwen_ocr.sources import is_remote
from qwen_ocr_tools.batch.inputs import SUFFIXES as INPUT_SUFFIXES
from qwen_ocr_tools.exports.formats import SUFFIXES, Format, figures_folder

STANDARD_INPUT = "-"


def find_targets(names: Sequence[str], form: Format, output: Path) -> dict[str, Path]:
    """The file of each document: `output` if its name ends as those of the format, or one in it.

    Raises `ConfigurationError` if two documents would become the same file.
    """
    suffix = SUFFIXES[form]
    names = list(dict.fromkeys(names))
    if output.suffix.lower() == suffix and not output.is_dir():
        if len(names) > 1:
            raise ConfigurationError(f"--output: {output} is one file, for one document")
        return {names[0]: output}
    names_of: dict[Path, str] = {}
    for name in names:
        target = output / f"{_stem(name)}{suffix}"
        if target in names_of:
            raise ConfigurationError(
                f"{names_of[target]} and {name} would both become {target}: read them one by one"
            )
        names_of[target] = name
    return {name: target for target, name in names_of.items()}


def _stem(name: str) -> str:
    if name == STANDARD_INPUT:
        return "stdin"
    return PurePath(urlsplit(name).path if is_remote(name) else name).stem or "document"


def target_of(document: str, folder: Path | None, suffix: str) -> Path:
    """`page.png` → `page.txt`; where `page.jpg` stands beside it, `page.png.txt`.

    Below `folder` are the folders that the document is in, below the current one if it is there.
    """
    source = Path(document)
    twins = (source.with_suffix(s) for end in INPUT_SUFFIXES for s in (end, end.upper()))
    shared = any(twin.name != source.name and twin.exists() for twin in twins)
    target = Path(f"{source}{suffix}") if shared else source.with_suffix(suffix)
    if folder is None:
        return target
    here = Path.cwd()
    inside = target.relative_to(here) if target.is_relative_to(here) else target.relative_to("/")
    return folder / inside


def check_free(target: Path, form: Format) -> None:
    """Raise `OutputError` if one of the files of a document is there already."""
    for path in (target, figures_folder(target)):
        if path.exists() and (path == target or form == "markdown"):
            raise OutputError(f"{path}: is there already; --force replaces it")
