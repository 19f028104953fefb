"""`make eval`: `qwen-ocr eval` against a server that is started for it and stopped afterwards."""

import signal
import sys
import tempfile
from pathlib import Path

from qwen_ocr_serve.cli.app import app
from qwen_ocr_serve.launch.local_server import LocalServer, LocalServerError
from qwen_ocr_serve.settings import BUNDLED_MODEL_NAME


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Evaluate a model, which the first argument names; the others are those of `qwen-ocr eval`.

    Returns the exit code.
    """
    if not arguments:
        print("usage: python -m qwen_ocr_serve.cli.evaluate MODEL DATASET...", file=sys.stderr)
        return 2
    model, *rest = arguments
    name = Path(model).name
    if model != BUNDLED_MODEL_NAME and Path(model).exists():
        model = str(Path(model).resolve())  # the server runs in another directory
    # SIGTERM unwinds like Ctrl-C, so that the server is stopped either way.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            LocalServer(
                Path(folder) / "log", ["--model", model, "--served-model-name", name]
            ) as server,
        ):
            print(f"starting a server with {model}", file=sys.stderr)
            server.wait_until_ready()
            # Named, because the environment may hold the settings of another server.
            place = ["--base-url", server.base_url, "--model", name]
            try:
                app(["eval", *rest, *place], prog_name="qwen-ocr")
            except SystemExit as done:
                return int(done.code or 0)
    except LocalServerError as exc:
        print(f"failed: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the server is stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
