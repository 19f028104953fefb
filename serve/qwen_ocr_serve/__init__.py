"""The server half of qwen-ocr: settings, launcher and routes around vLLM's own API server."""
