"""Images of requests: what one may be, where it may come from, and how it is loaded."""

CONNECTOR_NAME = "qwen_ocr"
"""The name under which vLLM finds `connector.GuardedMediaConnector`."""
