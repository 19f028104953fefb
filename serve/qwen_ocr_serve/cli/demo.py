"""`make demo`: start a real server with the bundled model, read images, stop it."""

import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from qwen_ocr import DEFAULT_PROMPT, OCRClient, OCRError
from qwen_ocr_serve.launch.local_server import LocalServer, LocalServerError
from qwen_ocr_serve.settings import BUNDLED_MODEL_NAME


def _read_all(images: list[Path], console: Console) -> bool:
    """Whether every image was read; one that fails is reported and the others are still read."""
    # Named, because the environment may hold the settings of another server.
    model = BUNDLED_MODEL_NAME
    failures = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalServer(Path(folder) / "log", ["--model", model]) as server,
    ):
        with console.status("starting the server") as status:
            seconds = server.wait_until_ready(
                on_wait=lambda waited: status.update(f"starting the server, {waited:.0f} s")
            )
        console.print(f"Server ready after {seconds:.0f} s on {server.base_url}\n")
        with OCRClient(server.base_url, model=model) as client:
            for image in images:
                started = time.monotonic()
                try:
                    text, style = str(client.ocr(image, DEFAULT_PROMPT)), ""
                except OCRError as exc:
                    text, style = f"{type(exc).__name__}: {exc}", "red"
                    failures += 1
                seconds = time.monotonic() - started
                console.print(f"[bold]{escape(image.name)}[/bold]  {seconds:.2f} s")
                console.print(text, style=style, markup=False, highlight=False)
                console.print()
    console.print(f"Read {len(images) - failures} of {len(images)} images; the server is stopped.")
    return failures == 0


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Read the images named in `arguments`; return the exit code, 0 if all were read."""
    console = Console()
    images = [Path(argument) for argument in arguments]
    if not images:
        console.print("usage: python -m qwen_ocr_serve.cli.demo IMAGE...")
        return 1
    # SIGTERM unwinds like Ctrl-C, so that the server is stopped either way.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return 0 if _read_all(images, console) else 1
    except LocalServerError as exc:
        console.print(f"[red]failed:[/red] {escape(str(exc))}")
    except KeyboardInterrupt:
        console.print("interrupted; the server is stopped")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
