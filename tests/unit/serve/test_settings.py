"""Where a setting comes from, and which ones are refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from qwen_ocr_serve.settings import BUNDLED_MODEL_PATH, ServeSettings


def test_defaults_serve_the_bundled_model_to_this_machine_only() -> None:
    settings = ServeSettings()
    assert settings.bundled
    assert settings.local_model == BUNDLED_MODEL_PATH
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)


def test_argument_wins_over_environment_over_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("QWEN_OCR_PORT=1001\nQWEN_OCR_HOST=file\nQWEN_OCR_MAX_IMAGES=3\n")
    monkeypatch.setenv("QWEN_OCR_PORT", "1002")
    monkeypatch.setenv("QWEN_OCR_HOST", "environment")
    settings = ServeSettings(port=1003)
    assert (settings.port, settings.host, settings.max_images) == (1003, "environment", 3)


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_OCR_PORT", "")
    assert ServeSettings().port == 8000


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("QWEN_OCR_PROT", "QWEN_OCR_PORT"),
        ("QWEN_OCR_MAXIMAGES", "QWEN_OCR_MAX_IMAGES"),
        ("QWEN_OCR_BASEURL", "QWEN_OCR_BASE_URL"),
    ],
)
def test_an_unknown_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    message = f"unknown variable {name}; did you mean {nearest}"
    monkeypatch.setenv(name, "1")
    with pytest.raises(ValidationError, match=message):
        ServeSettings()
    monkeypatch.delenv(name)
    Path(".env").write_text(f"{name}=1\nUNRELATED=1\n")
    with pytest.raises(ValidationError, match=message):
        ServeSettings()


def test_the_clients_variables_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BASE_URL", "API_KEY", "TIMEOUT", "MAX_RETRIES"):
        monkeypatch.setenv(f"QWEN_OCR_{name}", "1")
    ServeSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("max_images", 0),
        ("max_model_len", 0),
        ("kv_cache_gib", 0),
        ("shutdown_timeout", -1),
        ("model", ""),
        ("max_body_mib", 0),
        ("max_image_pixels", 0),
        ("max_requests_per_key", 0),
        ("body_timeout", 0),
        ("request_timeout", -1),
        ("log_format", "xml"),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        ServeSettings.model_validate({name: value})


def test_a_path_is_local_even_if_missing_and_an_id_is_not(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert ServeSettings(model=str(missing)).local_model == missing
    assert ServeSettings(model="./missing").local_model == Path("missing")
    assert ServeSettings(model="Qwen/Qwen3-VL-8B-Instruct").local_model is None


def test_every_setting_is_described() -> None:
    assert all(field.description for field in ServeSettings.model_fields.values())


@pytest.mark.parametrize(
    "origins",
    ["app.example.com", "https://app.example.com/", "https://*.example.com", "a b", "null"],
)
def test_what_is_no_origin_is_refused(origins: str) -> None:
    with pytest.raises(ValidationError, match="is no origin: write scheme, host and port"):
        ServeSettings(cors_origins=origins)
    settings = ServeSettings(cors_origins=" https://A.example:8443,http://[::1]:3000, ")
    assert settings.web_origins == {"https://a.example:8443", "http://[::1]:3000"}
