"""Starting a server for a demo, a test or a measurement."""

from pathlib import Path

import pytest
from tests.machine import needs_vllm

from qwen_ocr_serve.launch.local_server import LocalServer


@needs_vllm
def test_the_env_file_of_the_current_directory_is_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repository's .env is for the containers: its model, GPUs and keys."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("QWEN_OCR_MAX_IMAGES=77\n")
    (tmp_path / "logs").mkdir()
    with LocalServer(tmp_path / "logs" / "log", ["--dry-run"]) as server:
        assert server.process.wait(timeout=120) == 0, server.log_tail()
    assert '"image": 8' in server.log_tail()
