"""Imports point one way, the core cannot touch the machine, and every module has a place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "uvx_policy"

#: bottom to top; a module may import from lower layers and, freely, within its own
LAYERS = (
    "record model errors layout",
    """options invocation edits symlinked_venv decide mounts path_glob guard settings_keys""",
    """host toml_file settings settings_check member_glob script_block workspace uv_config
    uv_directories uv_settings environments destination memory probe capability cache_safety
    places cache_directory uv_version locate launch trace""",
    "pipeline",
    """shim shim_file explain cli init_command settings_edit shells startup_file shim_directories
    setup_record setup_steps setup_words setup_command tiny_wheel demo demo_evidence demo_places
    demo_problems demo_report demo_stage""",
)
LAYER_OF = {module: number for number, modules in enumerate(LAYERS) for module in modules.split()}
#: reads its own pid, nothing else
_NOT_PURE = {"guard"}
CORE = {"record", "model", "errors", *LAYERS[1].split()} - _NOT_PURE

MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")


def imports(module: str, *, for_types: bool) -> Iterator[str]:
    """Names that the module imports, at any depth; those under TYPE_CHECKING only if asked."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    typed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if not for_types and id(node) in typed:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(module: str) -> set[str]:
    found = (name.split(".") for name in imports(module, for_types=False))
    return {parts[1] for parts in found if parts[0] == "uvx_policy" and len(parts) > 1} - {
        "__version__"
    }


def test_every_module_has_a_layer() -> None:
    assert set(MODULES) == set(LAYER_OF)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    upwards = {name for name in own(module) if LAYER_OF[name] > LAYER_OF[module]}

    assert upwards == set()


@pytest.mark.parametrize("module", sorted(CORE))
def test_the_core_cannot_touch_the_machine(module: str) -> None:
    forbidden = {"os", "sys", "subprocess", "pathlib", "shutil", "time", "fcntl"}
    used = {name.split(".")[0] for name in imports(module, for_types=False)}

    assert used & forbidden == set()


def test_within_a_layer_there_are_no_cycles() -> None:
    graph = {module: own(module) for module in MODULES}
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way, module))
        if module not in done:
            for other in graph[module]:
                visit(other, (*way, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())
