"""Who is said to win what."""

import serving


def test_engines_are_ordered_by_each_measure() -> None:
    rows = [
        ("mini", 9.0, 2.9, 1500.0),
        ("tesseract", 12.0, 0.43, 150.0),
        ("rapidocr", 4.0, 0.32, 600.0),
    ]
    assert serving.winners(rows).splitlines() == [
        "pages/s, the best first: tesseract 12, mini 9, rapidocr 4",
        "% of characters wrong, the best first: rapidocr 0.32, tesseract 0.43, mini 2.9",
        "MiB, the best first: tesseract 150, rapidocr 600, mini 1,500",
    ]
