"""Several servers on one machine behind one address, for `qwen-ocr serve --replicas`."""
