"""What each patch of vLLM is worth: `python tests/bench/patches.py [--rounds N]`.

Tokens per second of the bundled model at 1 and at 64 requests at once, as it is and with one patch
left out, the others on; each the best of its rounds. All servers run all the time and have their
turns, the others idle. A patch that brings less than a tenth at both has not earned its place.
"""

from __future__ import annotations

import argparse
import signal

import report
from precision import Configuration, measure

from qwen_ocr_serve.vllm_patches import WITHOUT

LEVELS = (1, 64)
WHOLE = "as it is"
CONFIGURATIONS: dict[str, Configuration] = {
    WHOLE: ([], {}),
    "without cpu_kernels": ([], {WITHOUT: "cpu_kernels"}),
    "without cpu_threads": ([], {WITHOUT: "cpu_threads"}),
}


def main() -> None:
    """Print the table."""
    # SIGTERM unwinds like Ctrl-C, so that no server is left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=4)
    best = measure(CONFIGURATIONS, parser.parse_args().rounds, LEVELS)
    whole = best[WHOLE]
    rows = [
        (name, *speeds, *(w / s for w, s in zip(whole, speeds, strict=True)))
        for name, speeds in best.items()
    ]
    header = ["server", *(f"{level} at once" for level in LEVELS)]
    header += [f"it brings, {level}" for level in LEVELS]
    report.show("tokens/s of the bundled model", header, rows)
    report.show_circumstances()


if __name__ == "__main__":
    main()
