"""`python -m qwen_ocr_serve.cli` is `qwen-ocr`."""

from qwen_ocr_serve.cli import main

main()
