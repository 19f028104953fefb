"""The measurement that the first start makes, on this processor."""

from qwen_ocr_serve.launch.precision import choose, measure


def test_this_processor_is_measured_in_both_precisions() -> None:
    found = measure(2)
    assert found is not None
    assert set(found) == {(dtype, n) for dtype in ("float32", "bfloat16") for n in (1, 2)}
    assert all(found[kind].rows > found[kind].row > 0 for kind in found if kind[1] == 1)
    # What is twice as slow at everything is not chosen, whatever the processor.
    other = {"float32": "bfloat16", "bfloat16": "float32"}[choose(found).dtype]
    assert found[other, 1].rows > found[choose(found).dtype, 1].rows / 2  # type: ignore[index]
