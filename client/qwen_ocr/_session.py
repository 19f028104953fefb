"""What a client is made of before it is blocking or asynchronous."""

from abc import ABC, abstractmethod
from typing import Any

from qwen_ocr._request import sdk_headers, sdk_options
from qwen_ocr._steps import Session
from qwen_ocr.settings import ClientSettings


class Client(ABC):
    """Takes the arguments that both clients take."""

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        model: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        max_image_tokens: int | None = None,
    ) -> None:
        settings = ClientSettings.load(
            base_url=base_url,
            api_key=api_key,
            model=model,
            timeout=timeout,
            max_retries=max_retries,
            max_image_tokens=max_image_tokens,
        )
        self._session = Session(settings, settings.model)
        self._headers = sdk_headers(settings)
        self._connect(sdk_options(settings))

    @abstractmethod
    def _connect(self, options: dict[str, Any]) -> None:
        """Make the SDK's client, which does not connect before its first request."""
