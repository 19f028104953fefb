"""`qwen-ocr batch`: folders, lists and buckets of pages, with a journal to resume from."""
