"""The arithmetic of CAPACITY.md, and that the chapter says what it gives."""

import re
from pathlib import Path

import capacity
import fleet
import pytest

from qwen_ocr.jobs.server import MOST
from qwen_ocr.settings import ClientSettings
from qwen_ocr_serve import balancer

DEPLOY = Path(__file__).parents[3] / "serve" / "deploy"
CHAPTER = (DEPLOY / "CAPACITY.md").read_text("utf-8")


def test_by_hand() -> None:
    # 3,600,000 pages at one a second are 1,000 hours, at half of the speed 2,000.
    need = capacity.need(3_600_000, 1.0, price=3.0, share=0.5)
    assert need.gpu_hours == pytest.approx(2000)
    assert need.cost == pytest.approx(6000)
    assert need.gpus == {"1 hour": 2000, "1 day": 84, "1 week": 12, "30 days": 3}


@pytest.mark.parametrize("speed", [fleet.PUBLISHED_PAGES_PER_SECOND, 5.71])
@pytest.mark.parametrize(("name", "pages"), capacity.CORPORA.items())
def test_the_table_of_the_chapter(name: str, pages: int, speed: float) -> None:
    need = capacity.need(pages, speed, price=2.5)
    gpus = [need.gpus[deadline] for deadline in ("1 day", "1 week", "30 days")]
    cells = [name, speed, f"{need.gpu_hours:,.0f}", f"{need.cost:,.0f}", *map("{:,}".format, gpus)]
    assert f"| {' | '.join(map(str, cells))} |" in CHAPTER


def test_what_breaks_first_in_the_chapter() -> None:
    week = capacity.need(10**9, 1.44, price=1.0).gpus["1 week"]
    limits = capacity.limits(1.44, week, at_a_time=64)
    assert [round(row.breaks_at) for row in limits] == [2, 16, 128, 651, 3819]
    for row in limits:
        assert row.load.removesuffix("/s") in CHAPTER
        assert f"{row.breaks_at:,.0f}" in CHAPTER
    terabytes = capacity.volumes(10**9)["requests through the balancer"] / 1e12
    assert terabytes == pytest.approx(4000 / 3)


def test_limits_are_those_of_the_configuration() -> None:
    haproxy = balancer.CONFIG.read_text("utf-8")
    servers = (DEPLOY / "haproxy" / "servers.cfg").read_text("utf-8")
    found = re.search(r"maxconn (\d+)", haproxy), re.search(r"server-template \w+ (\d+)", servers)
    numbers = [int(match[1]) for match in found if match]
    assert numbers == [capacity.ROUTER_CONNECTIONS, capacity.ROUTER_SERVERS]
    assert capacity.BATCH_PAGES == MOST
    assert ClientSettings.model_fields["timeout"].default == fleet.CLIENT_TIMEOUT


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr("sys.argv", ["fleet.py", "--capacity", "1.44", "--price", "2.5"])
    assert fleet.main() == 0
    output = capsys.readouterr().out
    for words in ("1.44 pages/s per GPU, 85% of it kept", "226,943", "1,351 GPUs"):
        assert words in output
