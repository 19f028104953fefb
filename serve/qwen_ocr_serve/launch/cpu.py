"""How vLLM runs on a machine without GPU: precision, threads, memory, and what a start imports."""

from collections.abc import Mapping

from qwen_ocr_serve.launch.installation import Installation, LaunchError
from qwen_ocr_serve.launch.precision import SPIN_COUNT, SPIN_VARIABLE
from qwen_ocr_serve.settings import ServeSettings
from qwen_ocr_serve.vllm_patches import ENGINE_THREADS, START_METHOD

# By default, vLLM takes nearly all of a machine's memory on a CPU, or refuses to start.
_KV_CACHE_GIB = 4.0
# vLLM writes zeros to all of it at the start, which takes a second for each half GiB. In 16 bits,
# that much holds 174,720 tokens: the 128 requests that are worked on at a time may have 1,365 each.
_KV_CACHE_GIB_BUNDLED = 0.5
# Memory comes in pages of 2 MiB instead of 4 KiB, where the kernel has them (`madvise` or `always`
# in /sys/kernel/mm/transparent_hugepage/enabled, the usual case): 6 % more pages/s for the bundled
# model on two cores, because fewer addresses have to be looked up, and a start longer by a second.
# glibc 2.35 and later read it.
_HUGE_PAGES = "glibc.malloc.hugetlb=1"
# By default, vLLM decodes images in 8 threads. With fewer cores, these take time from each other
# and from the event loop: when 256 pages were sent at once to two cores, the first reached the
# engine after 0.4 to 0.8 s with as many threads as cores, and after 0.6 to 1.1 s with 8.
_DECODERS, _MOST_DECODERS = "VLLM_MEDIA_LOADING_THREAD_COUNT", 8
# The engine computes in its own process and starts no worker process; and its process is a copy of
# the server's, see `forked_engine`. Each saves the imports of one process; both together make a
# start take half the time. Larger models need the worker process, which binds threads to cores.
_FEW_IMPORTS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", START_METHOD: "fork"}


def flags(settings: ServeSettings, installation: Installation) -> dict[str, str]:
    """vLLM's flags with their values; a flag without value has an empty one."""
    size = int(kv_cache_gib(settings, installation) * 2**30)
    return {
        "--kv-cache-memory-bytes": str(size),
        **({"--dtype": "float32"} if computes_in_32_bits(settings, installation) else {}),
        # Compiling makes a single request 1.2 times as fast, and the first start half a minute
        # longer; `-- --no-enforce-eager` turns it on.
        "--enforce-eager": "",
    }


def variables(
    settings: ServeSettings, installation: Installation, environ: Mapping[str, str]
) -> dict[str, str]:
    """Environment variables for the server. Raises `LaunchError` as `engine_threads` does."""
    env = {}
    if "GLIBC_TUNABLES" not in environ:
        env["GLIBC_TUNABLES"] = _HUGE_PAGES
    if _DECODERS not in environ:
        env[_DECODERS] = str(min(installation.cores, _MOST_DECODERS))
    if _is_patched(settings, installation):
        env |= {name: value for name, value in _FEW_IMPORTS.items() if name not in environ}
        if environ.get(START_METHOD, "fork") == "fork":
            threads = engine_threads(settings, installation, environ.get("OMP_NUM_THREADS"))
            env |= {"OMP_NUM_THREADS": "1", ENGINE_THREADS: str(threads)}
            if threads > 1 and not {SPIN_VARIABLE, "OMP_WAIT_POLICY"} & environ.keys():
                env[SPIN_VARIABLE] = SPIN_COUNT
    return env


def _is_patched(settings: ServeSettings, installation: Installation) -> bool:
    """Whether the engine is the one of `vllm_patches`, made for the bundled model."""
    return settings.bundled and installation.patched


def computes_in_32_bits(settings: ServeSettings, installation: Installation) -> bool:
    """Whether weights and KV cache have 32 bits although the model's files have 16.

    Never of a larger model than the bundled one: at twice its size, it might not fit into memory.
    """
    return settings.bundled and installation.precision.dtype == "float32"


def engine_threads(
    settings: ServeSettings, installation: Installation, told: str | None = None
) -> int:
    """In how many threads each server computes the bundled model.

    `told` is the value of OpenMP's variable; if the user has set it, it decides. The default is 2
    where arithmetic takes most of the time: there, a second thread made 64 requests at once 1.25 to
    1.5 times as fast. Elsewhere it is 1: the second made them less than 1.2 times as fast, and took
    1.5 times the processor time. `precision.choose` decides which of the two it is. Raises
    `LaunchError` for what OpenMP would ignore.
    """
    if told:
        first = told.partition(",")[0]  # the others are for threads that start threads
        if not first.isdecimal() or int(first) == 0:
            raise LaunchError(f"OMP_NUM_THREADS is {told!r}: it has to be a number of threads")
        return int(first)
    room = installation.cores >= 2 * settings.replicas
    return installation.precision.threads if room else 1


def described(
    settings: ServeSettings,
    installation: Installation,
    *,
    dtype: str | None = None,
    threads: str | None = None,
) -> str:
    """What computes the model and why, in one line.

    `dtype` and `threads` are what the user has said instead, if anything: vLLM's `--dtype` and
    `OMP_NUM_THREADS`.
    """
    if not settings.bundled:
        return f"computing on the processor in {dtype or 'the precision of its files'}"
    count = engine_threads(settings, installation, threads)
    why = "as told" if dtype else installation.precision.reason
    dtype = dtype or installation.precision.dtype
    return f"computing in {dtype} with {count} thread{'s' if count > 1 else ''}: {why}"


def kv_cache_gib(settings: ServeSettings, installation: Installation) -> float:
    """The size of the KV cache on a machine without GPU, in GiB."""
    default = _KV_CACHE_GIB_BUNDLED if settings.bundled else _KV_CACHE_GIB
    if computes_in_32_bits(settings, installation):
        default *= 2
    return settings.kv_cache_gib or default
