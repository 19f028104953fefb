"""`qwen-ocr serve` on a terminal: a few lines for people, everything else in a log file.

`python -m qwen_ocr_serve.launch.terminal LOG URL VLLM_FLAGS…` is vLLM's own server, in this
process. Its output and that of its children goes to the file LOG. The terminal gets `Ready` when
requests are answered, and why the server has ended if it should not have.
"""

import contextlib
import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from qwen_ocr_serve.launch.precision import cache_folder
from qwen_ocr_serve.settings import ServeSettings

_TOLD_TO_END = {0, 128 + signal.SIGINT, 128 + signal.SIGTERM}
# The last line of a traceback, as Python writes it and as vLLM logs it; or argparse's message.
_CAUSE = re.compile(r"(?:^|\] )([\w.]+(?:Error|Exception): .+)|^[\w.]+: error: (.+)")
_LONGEST = 400
_TAIL = 10


def new_log_file(port: int) -> Path:
    """An empty file for the log of the server on this port, the one of the start before replaced.

    Raises `OSError` if not even the folder for temporary files can be written to.
    """
    for folder in (cache_folder(), Path(tempfile.gettempdir(), f"qwen-ocr-{os.getuid()}")):
        path = folder / f"serve-{port}.log"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # a server may still write to it
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError:
            continue
        return path
    raise OSError(f"no log can be written, neither to {cache_folder()} nor to {path.parent}")


def introduction(
    settings: ServeSettings, *, computing: str, keys: bool, log: Path, version: str
) -> list[str]:
    """What the terminal shows before the server starts."""
    name = settings.served_model_name or settings.model
    if keys:
        access = "Keys: needed, for everything but the web page and /health"
    elif settings.allow_anonymous:
        access = "Keys: none, whoever reaches this address may use the server"
    else:
        access = "Keys: none needed, only this machine can connect"
    seconds = "takes 10 to 20 s" if settings.bundled else "takes minutes, a download included"
    return [
        f"qwen-ocr {version} serves {name}, {computing}",
        access,
        f"Log: {log} (--verbose shows it here)",
        f"Starting ({seconds}) …",
    ]


def url(settings: ServeSettings, extra: Sequence[str] = ()) -> str:
    """Where a browser on this machine finds the server; `extra` are vLLM's flags."""
    local = {"", "0.0.0.0", "::", "127.0.0.1", "::1"}
    host = "localhost" if settings.host in local else settings.host
    host = f"[{host}]" if ":" in host else host
    tls = any(word.startswith(("--ssl-certfile", "--ssl_certfile")) for word in extra)
    return f"{'https' if tls else 'http'}://{host}:{settings.port}"


def cause(log: str) -> str:
    """Why a server has ended, as its log says: the first error, or the last lines."""
    lines = log.splitlines()
    for number, line in enumerate(lines):
        if match := _CAUSE.search(line):
            following = lines[number + 1 : number + 2]
            # pydantic says in the first line how many errors there are, and then which.
            more = [text for text in following if text.startswith(" ")]
            return " ".join([match[1] or match[2], *(text.strip() for text in more)])[:_LONGEST]
    return "\n".join(lines[-_TAIL:]) or "it left no message"


def main() -> None:
    """Serve until told to end. The exit code is vLLM's."""
    log, address = sys.argv[1:3]
    del sys.argv[1:3]
    tell = _separate_terminal(log)
    # Until vLLM and `startup_signals` have handlers of their own: end at once and without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    state = "could not start"

    def ready() -> None:
        nonlocal state
        state = "has ended"
        tell(f"Ready: open {address}")

    try:
        _call_when_ready(ready)
        from vllm.entrypoints.launchers.api_server.entry import main as serve

        serve()
    except SystemExit as exc:
        if exc.code is not None and exc.code not in _TOLD_TO_END:
            if isinstance(exc.code, str):
                print(exc.code, file=sys.stderr)
            _explain(tell, state, log)
        raise
    except Exception:  # noqa: BLE001  # whatever it is, it goes into the log, and the server ends
        traceback.print_exc()
        _explain(tell, state, log)
        sys.exit(1)


def _separate_terminal(log: str) -> Callable[[str], None]:
    """Let what goes to the terminal go to the log; return what writes a line to the terminal."""
    terminal = os.dup(1)
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    for standard in (1, 2):
        if os.isatty(standard):
            os.dup2(file, standard)
    os.close(file)

    def tell(line: str) -> None:
        with contextlib.suppress(OSError):  # the terminal has been closed
            os.write(terminal, f"{line}\n".encode())

    return tell


def _call_when_ready(ready: Callable[[], None]) -> None:
    """Have `ready` called when the server has opened its port."""
    import uvicorn

    startup = uvicorn.Server.startup

    async def startup_and_tell(server: uvicorn.Server, sockets: list[object] | None = None) -> None:
        await startup(server, sockets)  # type: ignore[arg-type]
        if server.started:
            ready()

    uvicorn.Server.startup = startup_and_tell  # type: ignore[method-assign,assignment]


def _explain(tell: Callable[[str], None], state: str, log: str) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    tell(f"error: the server {state}: {cause(Path(log).read_text(errors='replace'))}")
    tell(f"The log has the rest: {log}")


if __name__ == "__main__":
    main()
