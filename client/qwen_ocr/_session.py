"""What a client is made of before it is blocking or asynchronous."""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from qwen_ocr._steps import Session
from qwen_ocr.requests import sdk_headers, sdk_options
from qwen_ocr.settings import ClientSettings

HTTPClient = TypeVar("HTTPClient")


class Client(ABC, Generic[HTTPClient]):
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
        http_client: HTTPClient | None = None,
    ) -> None:
        """`http_client` is what the openai SDK sends with: for proxies, certificates and the like.

        Whoever gives one need not close it: it is closed with the OCR client.
        """
        settings = ClientSettings.load(
            base_url=base_url,
            api_key=api_key,
            served_model_name=model,
            timeout=timeout,
            max_retries=max_retries,
            max_image_tokens=max_image_tokens,
        )
        self._session = Session(settings, settings.served_model_name)
        self._headers = sdk_headers(settings)
        self._connect({**sdk_options(settings), "http_client": http_client})

    @abstractmethod
    def _connect(self, options: dict[str, Any]) -> None:
        """Make the SDK's client, which does not connect before its first request."""
