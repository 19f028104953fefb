"""How well pages are read: datasets, metrics, statistics, other engines, and the report.

    dataset ─ pages with their truth ─┐
    engines ─ the server, Tesseract … ┴─ runner ─ journal ─ summary ─ report

`qwen-ocr eval` is its command line. It needs the extra `eval`.
"""
