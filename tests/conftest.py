"""What tests of every kind share: one real server, and images."""

import base64
import io
import os
import signal
from collections.abc import Generator, Iterator

import pytest
from PIL import Image, ImageDraw

from qwen_ocr_serve.launch.local_server import LocalServer
from qwen_ocr_serve.vllm_patches.torchvision_compat import declare_on_import

# A shell ignores Ctrl-C on behalf of what it runs in the background, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Before any test module imports transformers, which imports torchvision.
declare_on_import()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A real server with the bundled model, started once for all tests that ask for it."""
    log = tmp_path_factory.mktemp("server") / "server.log"
    with LocalServer(log) as local_server:
        local_server.wait_until_ready()
        yield local_server
        # As Ctrl-C in a terminal does: to the whole group, engine and worker included.
        os.killpg(local_server.process.pid, signal.SIGINT)
        assert local_server.wait_until_gone() == 0, local_server.log_tail()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the server's log beside a failed test that used it.

    Where all programs have to be there, a test that is skipped for want of one fails.
    """
    report = yield
    wanting = report.skipped and "not installed" in str(call.excinfo)
    if wanting and os.environ.get("REQUIRE_PROGRAMS"):
        report.outcome = "failed"
    local_server = item.funcargs.get("server")
    if report.failed and isinstance(local_server, LocalServer):
        report.sections.append(("server log", local_server.log_tail()))
    return report


@pytest.fixture(scope="session")
def png() -> bytes:
    """A small PNG with one printed word."""
    image = Image.new("RGB", (160, 48), "white")
    ImageDraw.Draw(image).text((16, 8), "Hello", fill="black", font_size=28)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def png_base64(png: bytes) -> str:
    """The same image as the HTTP interfaces take it."""
    return base64.b64encode(png).decode()
