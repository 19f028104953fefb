"""Several servers on one machine behind one address, for `qwen-ocr serve --replicas`.

vLLM's own data parallelism is no replacement: on two cores of an AMD EPYC without AVX-512,
`--data-parallel-size 2` has 0.81 ± 0.02 of the pages/s of `--replicas 2` with 16 requests at once,
and 0.78 ± 0.01 with 128, in as much memory (`tests/bench/replicas.py`). Both of its engines wait
for the one API server.
"""
