"""The log of this product's own processes, in the form of vLLM's."""

import json
import logging
import sys


def log_as(log_format: str) -> None:
    """Write this process's log to standard output and in this format, as the servers do."""
    handler = logging.StreamHandler(sys.stdout)
    text = logging.Formatter("%(levelname)s %(asctime)s %(message)s", "%m-%d %H:%M:%S")
    handler.setFormatter(_JSON() if log_format == "json" else text)
    logger = logging.getLogger("qwen_ocr")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)


class _JSON(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "asctime": self.formatTime(record),
            "levelname": record.levelname,
            "name": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        return json.dumps(line, ensure_ascii=False)
