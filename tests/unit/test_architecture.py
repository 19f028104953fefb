"""Imports run downwards only, and no module imports what imports it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_SOURCES = {
    "qwen_ocr": _ROOT / "client/qwen_ocr",
    "qwen_ocr_tools": _ROOT / "client/qwen_ocr_tools",
    "qwen_ocr_serve": _ROOT / "serve/qwen_ocr_serve",
}
_PACKAGES = {
    "qwen_ocr": set[str](),
    "qwen_ocr_tools": {"qwen_ocr"},
    "qwen_ocr_serve": {"qwen_ocr", "qwen_ocr_tools"},
}
"""Which package may import which others."""
_FOLDERS = {
    "settings": set[str](),
    "vllm_patches": set[str](),
    "page": set[str](),
    "models": {"settings"},
    "http": {"settings"},
    "images": {"http", "models", "settings"},
    "documents": {"http", "images", "models", "settings"},
    "api": {"documents", "http", "images", "models", "page", "settings"},
    "launch": {"http", "images", "models", "settings", "vllm_patches"},
    "replicas": {"launch", "settings"},
    "cli": {"http", "launch", "models", "replicas", "settings", "vllm_patches"},
}
"""Which folder of the server may import which others. Nothing imports `api` or `cli`."""


def _modules() -> dict[str, Path]:
    found = {}
    for package, folder in _SOURCES.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            found[name] = path
    return found


_MODULES = _modules()


def _imports(module: str) -> Iterator[str]:
    """The modules of this product that a module imports anywhere in it, and names out of them."""
    for node in ast.walk(ast.parse(_MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{module}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] in _SOURCES)


def _module_of(name: str) -> str:
    """The module that an imported name is, or is in."""
    return name if name in _MODULES else name.rpartition(".")[0]


def _folder(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "qwen_ocr_serve" and len(parts) > 1 else None


@pytest.mark.parametrize("module", sorted(_MODULES))
def test_imports_run_downwards(module: str) -> None:
    package = module.partition(".")[0]
    for name in _imports(module):
        target = _module_of(name)
        other = target.partition(".")[0]
        arrow = f"{module} → {target}"
        assert other == package or other in _PACKAGES[package], arrow
        if other != package:
            private = [part for part in name.split(".") if part.startswith("_")]
            assert not private, f"{arrow}: {private[0]} is private"
        mine, its = _folder(module), _folder(target)
        if mine and its and mine != its:
            assert its in _FOLDERS[mine], f"{arrow}: {mine}/ may not import {its}/"
        if other == "qwen_ocr_tools" and package == "qwen_ocr_serve":
            assert mine == "cli", f"{arrow}: only the command line is built on the tools"


def test_no_module_imports_what_imports_it() -> None:
    arrows = {module: {_module_of(name) for name in _imports(module)} for module in _MODULES}
    # A package that gathers names imports the modules that ask it for its own.
    for module in arrows:
        arrows[module] -= {"qwen_ocr", module}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path[path.index(module) :], module))
        if module not in done:
            for target in sorted(arrows[module]):
                visit(target, (*path, module))
            done.add(module)

    for module in sorted(arrows):
        visit(module, ())


def test_every_folder_has_its_place() -> None:
    folders = {folder for module in _MODULES if (folder := _folder(module))}
    assert folders - {"mini", "__main__"} == set(_FOLDERS)


@pytest.mark.parametrize("module", sorted(_MODULES))
def test_modules_are_short(module: str) -> None:
    assert len(_MODULES[module].read_text().splitlines()) <= 275
