"""The dashboard's queries and the alerts, answered by a real Prometheus about the real server."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from qwen_ocr import OCRClient
from qwen_ocr_serve.launch.local_server import LocalServer

from .conftest import DEPLOY, Prometheus

DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "ocr.json").read_text())
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())["groups"][0]["rules"]
ROOT = DEPLOY.parents[1]
SAMPLES = Path(__file__).parents[1] / "samples"


def queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.fixture(scope="module")
def load(server: LocalServer, prometheus: Prometheus) -> None:
    """A few pages and a refusal, with two scrapes before and after them, so that rates exist."""
    time.sleep(2.5)
    with OCRClient(server.base_url) as client:
        for _ in range(3):
            client.ocr(SAMPLES / "receipt.png", max_tokens=64, allow_truncated=True)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{server.base_url}/nowhere", timeout=30)
    time.sleep(2.5)


@pytest.mark.parametrize("query", queries())
def test_a_query_of_the_dashboard_has_data(load: None, prometheus: Prometheus, query: str) -> None:
    expression = query.replace("$__rate_interval", "1m").replace("$__range", "5m")
    series = prometheus.query(expression)
    assert series, expression
    assert all(float(point["value"][1]) >= 0 for point in series), series  # not NaN


def test_the_load_is_what_the_dashboard_shows(load: None, prometheus: Prometheus) -> None:
    """The numbers and not just some numbers: pages by how they ended."""
    [total] = prometheus.query("sum(vllm:request_success_total)")
    assert float(total["value"][1]) >= 3
    [refused] = prometheus.query('sum(qwen_ocr_requests_total{status="404"})')
    assert float(refused["value"][1]) >= 1


def test_every_rule_is_evaluated(load: None, prometheus: Prometheus) -> None:
    [group] = prometheus.get("rules")["groups"]
    assert [rule["name"] for rule in group["rules"]] == [
        rule.get("alert") or rule["record"] for rule in RULES
    ]
    for rule in group["rules"]:
        assert rule["health"] == "ok", rule
        # Pages were cut off on purpose: an alert may be pending, but none fires after seconds.
        assert rule.get("state") != "firing", rule


def test_every_metric_of_the_rules_exists(load: None, prometheus: Prometheus) -> None:
    """An alert on a name that nobody exports would never fire."""
    for rule in RULES:
        metrics = re.findall(r"\bvllm:\w+|\bqwen_ocr_\w+|\bup\b", rule["expr"])
        assert metrics, rule
        for metric in metrics:
            assert prometheus.query(metric), metric


def test_the_dashboard_is_one_that_grafana_can_load() -> None:
    assert DASHBOARD["uid"] == "qwen-ocr"
    datasource = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text()
    )["datasources"][0]
    ids: list[int] = []
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        ids.append(panel["id"])
        assert panel["datasource"] == {"type": "prometheus", "uid": datasource["uid"]}
        assert panel["title"]
        place: dict[str, Any] = panel["gridPos"]
        area = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & area, f"{panel['title']} lies on another panel"
        assert max(x for x, _ in area) < 24
        cells |= area
    assert len(ids) == len(set(ids))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="prometheus is not installed")
def test_the_rules_are_valid() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", DEPLOY / "prometheus" / "rules.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
def test_the_balancers_configuration_is_valid() -> None:
    balancer = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["balancer"]
    mounts = {
        inside: outside
        for outside, inside, _ in (volume.split(":") for volume in balancer["volumes"])
    }
    command = [str(ROOT / mounts[word]) if word in mounts else word for word in balancer["command"]]
    done = subprocess.run(
        [*command, "-c"],
        env={"PATH": os.environ["PATH"], **balancer["environment"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
