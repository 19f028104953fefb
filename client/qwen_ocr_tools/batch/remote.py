"""Files in an object store, by URLs such as `s3://bucket/scans`, through fsspec.

Which stores there are depends on what is installed beside fsspec: `s3fs` for `s3://`, `gcsfs` for
`gs://`, `adlfs` for `abfs://`. Keys come from where these take them, the environment most often.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from glob import has_magic
from typing import Any

from qwen_ocr.errors import ConfigurationError
from qwen_ocr.sources import MAX_BYTES, image_errors, read_bytes
from qwen_ocr_tools.batch.records import Version

_URL = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_CHANGED = ("LastModified", "last_modified", "mtime", "updated", "created")
"""What the stores call the time of the last change."""


def is_url(name: str) -> bool:
    """Whether this is a URL of a store, and not a path; web addresses are none, see `read`."""
    return _URL.match(name) is not None


def expand(url: str) -> Iterator[tuple[str, Version]]:
    """The files that a URL means, a folder's or a pattern's one after the other, hidden ones not.

    Raises `ConfigurationError` for a store that is not known or does not answer.
    """
    with _store_errors(url):
        store, path = _open(url)
        files: Iterator[dict[str, Any]]
        if has_magic(path):
            files = _matches(store, path)
        elif store.isdir(path):
            files = _below(store, path)
        else:
            files = (store.info(path) for _ in range(store.exists(path)))
        for info in files:
            yield store.unstrip_protocol(info["name"]), _version(info)


def find(url: str) -> tuple[str, Version]:
    """One file, by the name that `expand` has for it; of version zeros if it is not there."""
    with _store_errors(url):
        store, path = _open(url)
        info = store.info(path) if store.exists(path) else {}
        return store.unstrip_protocol(path), _version(info)


def fetch(url: str) -> bytes:
    """What is in a file. Raises `ImageError`, also for a store that does not answer."""
    with image_errors(url):
        store, path = _open(url)
        return read_bytes(store.cat_file(path, end=MAX_BYTES + 1))


def _open(url: str) -> tuple[Any, str]:
    """The store of a URL, and the path in it."""
    import fsspec

    # Listings are as long as the store is large.
    store, path = fsspec.url_to_fs(url, use_listings_cache=False)
    return store, path


def _matches(store: Any, pattern: str) -> Iterator[dict[str, Any]]:
    # What stands before the first wildcard is as it was asked for, hidden or not.
    beginning = max(len(re.split(r"[*?[]", pattern)[0]) - 1, 0)
    for name, info in store.glob(pattern, detail=True).items():
        if info["type"] != "directory" and "/." not in name[beginning:]:
            yield info


def _below(store: Any, folder: str) -> Iterator[dict[str, Any]]:
    for _, folders, files in store.walk(folder, detail=True, on_error="raise"):
        # In order of their names, as on a disk.
        for name in sorted(folders):
            info = folders.pop(name)
            if not name.startswith("."):
                folders[name] = info
        for name, info in sorted(files.items()):
            if not name.startswith("."):
                yield info


def _version(info: dict[str, Any]) -> Version:
    changed = next((info[name] for name in _CHANGED if name in info), 0)
    if isinstance(changed, str):
        changed = datetime.fromisoformat(changed)
    if isinstance(changed, datetime):
        changed = changed.timestamp()
    return info.get("size") or 0, int(changed * 1_000_000) * 1_000


@contextmanager
def _store_errors(url: str) -> Iterator[None]:
    try:
        yield
    except ImportError as exc:  # fsspec's own words name the package that is missing
        raise ConfigurationError(f"{url}: {exc} (with pip, in each worker's environment)") from exc
    except Exception as exc:  # each store raises what its own library does
        raise ConfigurationError(f"{url}: cannot be listed ({exc})") from exc
