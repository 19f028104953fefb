"""The `config.json` of a model: in its directory, in Hugging Face's cache, or from the Hub."""

import json
from pathlib import Path
from typing import Any

_SECONDS = 10
"""To wait for the Hub: without a configuration, a model is served by its name."""


def config_of(model: str, directory: Path | None, *, download: bool = False) -> dict[str, Any]:
    """The configuration; empty where there is none to read.

    A Hub id is looked up in the cache, as it lies there from an earlier start or on a machine
    without internet access; `download` asks the Hub for the one file.
    """
    try:
        path = directory / "config.json" if directory else _of_hub(model, download=download)
        config = json.loads(path.read_text()) if path else {}
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _of_hub(model: str, *, download: bool) -> Path | None:
    try:
        import huggingface_hub  # the command line runs without it, too
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError:
        return None
    try:
        found = huggingface_hub.try_to_load_from_cache(model, "config.json")
        if isinstance(found, str):
            return Path(found)
        if download:
            return Path(
                huggingface_hub.hf_hub_download(model, "config.json", etag_timeout=_SECONDS)
            )
    except (HfHubHTTPError, HFValidationError, OSError, ValueError):
        return None
    return None
