"""The profile of the model to serve, from its name, its config.json, or as it was chosen."""

import json
from pathlib import Path

import pytest

from qwen_ocr.profiles import profile_named
from qwen_ocr_serve.launch.installation import Installation, LaunchError
from qwen_ocr_serve.launch.launcher import build_launch
from qwen_ocr_serve.models import config_file
from qwen_ocr_serve.models.architecture import of_published
from qwen_ocr_serve.models.checkpoints import CHECKPOINTS, checkpoint_of
from qwen_ocr_serve.models.memory import PageLoad, page_memory
from qwen_ocr_serve.models.profiles import NoPicturesError, UnknownProfileError, profile_for
from qwen_ocr_serve.settings import ServeSettings

_GPU = Installation(cpu=False, torchvision_differs=False)


@pytest.mark.parametrize("row", CHECKPOINTS, ids=lambda row: row.model)
def test_every_checkpoint_is_found_by_its_name(row: object) -> None:
    assert isinstance(row, type(CHECKPOINTS[0]))
    profile = profile_for(row.model, None)
    assert profile is not None
    assert profile.name == row.profile
    assert checkpoint_of(row.model) is row
    if row.shape:
        assert of_published(row.model).weights_bytes
    assert (row.score is None) or row.source


@pytest.mark.parametrize(
    ("folder", "config", "name"),
    [
        ("ocr", {"model_type": "qwen3_vl"}, "qwen3-vl"),
        ("ocr", {"model_type": "qwen3_vl_moe"}, "qwen3-vl"),
        ("ocr", {"model_type": "qwen2_5_vl"}, "qwen2.5-vl"),
        ("ocr", {"model_type": "qwen3_5", "vision_config": {}}, "qwen3.5"),
        ("ocr", {"model_type": "dots_ocr"}, "dots.ocr"),
        (
            "ocr",
            {"model_type": "mistral3", "architectures": ["LightOnOCRForConditionalGeneration"]},
            "lightonocr-2",
        ),
        (
            "ocr",
            {"model_type": "mistral3", "architectures": ["Mistral3ForConditionalGeneration"]},
            None,
        ),
        ("chandra-ocr-2", {"model_type": "qwen3_5", "vision_config": {}}, "chandra-2"),
        ("olmOCR-2-7B-1025-FP8", {"model_type": "qwen2_5_vl"}, "olmocr-2"),
        # The name is wrong about the architecture.
        ("qwen3-vl-tuned", {"model_type": "qwen2_5_vl"}, "qwen2.5-vl"),
        ("chandra-ocr-2", {"model_type": "qwen2_5_vl"}, "qwen2.5-vl"),
        ("mini", {"model_type": "qwen3_vl"}, "mini"),
        (
            "ocr",
            {"model_type": "qwen2_5_vl", "_name_or_path": "allenai/olmOCR-2-7B-1025"},
            "olmocr-2",
        ),
        ("ocr", {"model_type": "llava"}, None),
        ("ocr", {}, None),
    ],
)
def test_directories(tmp_path: Path, folder: str, config: object, name: str | None) -> None:
    directory = tmp_path / folder
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(config))
    profile = profile_for(str(directory), directory)
    assert (profile.name if profile else None) == name
    assert profile_for(str(directory), directory, "chandra-2") == profile_named("chandra-2")


@pytest.mark.parametrize("content", ["", "[]", "{", None])
def test_directories_that_tell_nothing(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    assert profile_for("x", tmp_path) is None


def test_a_hub_id_of_which_the_configuration_is_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_5_vl"}')

    def cached(model: str, *, download: bool) -> Path:
        assert model == "somebody/receipts"
        return tmp_path / "config.json"

    monkeypatch.setattr(config_file, "_of_hub", cached)
    profile = profile_for("somebody/receipts", None)
    assert profile is not None
    assert profile.name == "qwen2.5-vl"


@pytest.mark.parametrize(
    "model",
    [
        "Qwen/Qwen3.8-2.4T-A95B",
        "Qwen/Qwen3-8B",
        "Qwen/Qwen3-30B-A3B-Instruct-2507",
        "Qwen/Qwen3-ASR-1.7B",
        "Qwen/Qwen3-Embedding-8B",
        "Qwen/Qwen2.5-72B-Instruct",
        "Qwen/Qwen2.5-Coder-7B",
        "Qwen/QwQ-32B",
    ],
)
def test_models_without_pictures_are_refused(model: str) -> None:
    with pytest.raises(NoPicturesError, match=r"text only, no images.*Qwen3-VL"):
        profile_for(model, None)
    with pytest.raises(LaunchError, match="text only"):
        build_launch(ServeSettings(model=model), _GPU, {})


@pytest.mark.parametrize("kind", ["qwen3", "qwen3_moe", "qwen2", "qwen3_5_text", "qwen3_asr"])
def test_directories_without_pictures_are_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(NoPicturesError):
        profile_for(str(tmp_path), tmp_path)


def test_a_profile_that_does_not_exist() -> None:
    with pytest.raises(UnknownProfileError, match="chandra-2"):
        profile_for("x", None, "chandra")
    with pytest.raises(LaunchError, match="no profile 'chandra'"):
        build_launch(ServeSettings(model="x/y", profile="chandra"), _GPU, {})


def launched(**settings: object) -> tuple[dict[str, str], dict[str, str]]:
    launch = build_launch(ServeSettings.model_validate(settings), _GPU, {})
    flags = dict(zip(launch.argv, [*launch.argv[1:], ""], strict=True))
    return flags, launch.env


def test_what_the_server_is_started_with() -> None:
    flags, env = launched(model="lightonai/LightOnOCR-3-4B", served_model_name="ocr")
    assert json.loads(flags["--override-generation-config"])["temperature"] == 0.1
    assert flags["--default-chat-template-kwargs"] == '{"enable_thinking": false}'
    assert env["QWEN_OCR_PROFILE"] == "lightonocr-3"
    flags, _ = launched(model="Qwen/Qwen3-VL-8B-Thinking")
    assert flags["--reasoning-parser"] == "qwen3"
    flags, env = launched(model="somebody/tuned", profile="chandra-2")
    assert "--default-chat-template-kwargs" in flags
    assert env["QWEN_OCR_PROFILE"] == "chandra-2"
    flags, _ = launched(model="rednote-hilab/dots.ocr")
    assert flags["--chat-template-content-format"] == "string"
    flags, env = launched(model="Qwen/Qwen2.5-VL-7B-Instruct")
    assert "--reasoning-parser" not in flags
    assert json.loads(flags["--override-generation-config"])["temperature"] == 0.0


def test_hybrid_models_keep_two_states_as_large_as_a_block() -> None:
    # 0.57 GiB for a page of Qwen3.6-27B was seen in the engine's own log.
    profile = profile_for("Qwen/Qwen3.6-27B", None)
    assert profile is not None
    page = page_memory(of_published("Qwen/Qwen3.6-27B"), profile.family, PageLoad(80))
    assert page.size / 2**30 == pytest.approx(0.574, abs=0.001)
    assert "blocks of 784" in page.how
    assert "two states" in page.how
