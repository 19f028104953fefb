"""The Kubernetes manifests, against the schemas of Kubernetes."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

DIRECTORY = Path(__file__).parents[2] / "serve" / "deploy" / "kubernetes"
# Oldest and newest versions that the manifests are for.
VERSIONS = ("1.29", "1.34")


def manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DIRECTORY / name).read_text()))


OBJECTS = [*manifests("qwen-ocr.yaml"), *manifests("secret.yaml")]
SERVER = OBJECTS[0]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", OBJECTS, ids=lambda manifest: manifest["kind"])
def test_a_manifest_follows_its_schema(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_typing_error_would_be_found() -> None:
    broken = yaml.safe_load((DIRECTORY / "secret.yaml").read_text())
    broken["stringdata"] = broken.pop("stringData")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_an_overlay_gets_all_but_the_keys() -> None:
    (base,) = manifests("kustomization.yaml")
    assert base["kind"] == "Kustomization"
    kinds = {manifest["kind"] for name in base["resources"] for manifest in manifests(name)}
    assert kinds == {manifest["kind"] for manifest in OBJECTS} - {"Secret"}


def test_every_kind_is_there_and_meets() -> None:
    kinds = {manifest["kind"]: manifest for manifest in OBJECTS}
    assert set(kinds) == {
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "Secret",
    }
    labels = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert kinds["Service"]["spec"]["selector"] == labels
    assert kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert kinds["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    target = kinds["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == kinds["Deployment"]["metadata"]["name"]
    volumes = kinds["Deployment"]["spec"]["template"]["spec"]["volumes"]
    [keys] = [volume["secret"] for volume in volumes if "secret" in volume]
    assert keys["secretName"] == kinds["Secret"]["metadata"]["name"]


def test_probes_ask_for_health_and_survive_a_download() -> None:
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert SERVER[kind]["httpGet"] == {"path": "/health", "port": "http"}
    startup = SERVER["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 3600


def test_the_pod_lives_longer_than_the_drain() -> None:
    environment = {entry["name"]: entry["value"] for entry in SERVER["env"]}
    drain = int(environment["QWEN_OCR_SHUTDOWN_TIMEOUT"])
    before = int(SERVER["lifecycle"]["preStop"]["exec"]["command"][1])
    pod = OBJECTS[0]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > drain + before


def test_it_scales_on_a_metric_that_the_adapter_offers() -> None:
    [rule] = manifests("adapter-rules.yaml")[0]["rules"]
    [metric] = OBJECTS[3]["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
    assert rule["seriesQuery"].startswith("vllm:num_requests_waiting{")
