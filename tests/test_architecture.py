"""Imports point one way between packages, and the core cannot touch the machine."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "uvx_policy"
#: lines of a module
LONGEST = 400

#: modules beside the packages, by the room that they are in
CORE = (
    "value model errors faults fingerprint minimal_os decide edits guard recursion symlinked_venv "
    "toml_file launch locate real_uv trace safe wildcards foreign_file flock "
    "forking processes child"
)
SHIM = "shim under_policy prepare answer"
MODULES_BESIDE = {
    **dict.fromkeys(CORE.split(), "core"),
    **dict.fromkeys(SHIM.split(), "shim"),
    "host": "host",
    "host_elsewhere": "host",
    "windows_host": "host",
    "macos_host": "host",
    "accounts": "host",
    "pipeline": "pipeline",
    "link_plan": "pipeline",
    "circumstances": "pipeline",
    "starter": "starter",
    "explain": "explain",
    "run": "run",
    "cli": "cli",
    "__main__": "cli",
}
#: room -> rooms that it may import from, at any depth of a function; from the ground up
ROOMS = {
    "core": "",
    "windows": "core",
    "macos": "core",
    "state": "core windows",
    "terminal": "core state",
    "uv": "core state",
    "settings": "core state",
    "replay": "core state windows macos uv",
    "host": "core replay windows macos",
    "filesystem": "core state replay windows host",
    "seed": "core state uv filesystem installed replace",
    "starter": "core replay windows installed",
    "pipeline": "core state host uv settings filesystem seed starter",
    "shim": "core state replay host filesystem pipeline seed",
    "machine": "core state windows uv settings replay host filesystem pipeline shim",
    "installed": "core state terminal filesystem",
    "caches": "core terminal uv filesystem seed machine installed",
    "verify": "core state terminal machine installed",
    "replace": "core windows macos state terminal host filesystem installed",
    "repair": "core state terminal uv settings machine installed caches verify replace",
    "reclaim": "core state terminal filesystem machine installed caches replace repair",
    "status": "core state terminal host machine filesystem installed caches",
    "setup": "core windows state terminal settings machine installed caches replace repair",
    "doctor": "core state terminal uv settings host filesystem shim machine installed caches "
    "seed verify replace repair setup",
    "explain": "core state replay pipeline shim machine",
    "run": "core state shim machine",
    "demo": "core state terminal uv settings host filesystem setup",
    "command_line": "core state terminal uv settings shim machine caches verify repair reclaim "
    "status setup doctor explain run demo",
    "cli": "core terminal command_line",
}
#: what runs while nothing of the machine may be seen; `guard` and `recursion` read /proc
PURE = {
    *CORE.split(), "uv.options", "uv.invocation", "filesystem.mounts", "windows.descriptor",
} - {
    "guard", "recursion", "minimal_os", "toml_file", "launch", "locate", "real_uv", "trace",
    "foreign_file",
    "flock", "forking", "processes",
    "child",
}  # fmt: skip

MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if path.stem != "__init__"
)


def room_of(module: str) -> str:
    first = module.split(".", maxsplit=1)[0]
    return MODULES_BESIDE.get(first, first)


def imports(module: str) -> Iterator[str]:
    """Names that the module imports, at any depth; those for type checkers alone left out."""
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(module: str) -> set[str]:
    """Modules of ours that this one imports: `uvx_policy.a.b.name` is the module `a.b`."""
    found = set()
    for name in imports(module):
        parts = name.split(".")[1:] if name.startswith("uvx_policy.") else []
        candidates = [".".join(parts[:2]), ".".join(parts[:1])]
        found |= set([each for each in candidates if each in MODULES][:1])
    return found


def test_every_room_is_on_the_floor_plan() -> None:
    assert {room_of(module) for module in MODULES} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_those_it_may(room: str) -> None:
    allowed = {room, *ROOMS[room].split()}

    wrong = {
        f"{module} -> {other}"
        for module in MODULES
        if room_of(module) == room
        for other in own(module)
        if room_of(other) not in allowed
    }

    assert wrong == set()


def test_no_room_is_allowed_what_is_not_used() -> None:
    used = {(room_of(module), room_of(other)) for module in MODULES for other in own(module)}

    unused = {
        f"{room} -> {other}"
        for room, others in ROOMS.items()
        for other in others.split()
        if (room, other) not in used
    }

    assert unused == set()


def test_there_is_no_circle_between_rooms() -> None:
    done: set[str] = set()

    def visit(room: str, way: tuple[str, ...]) -> None:
        assert room not in way, " -> ".join((*way, room))
        if room not in done:
            for other in ROOMS[room].split():
                visit(other, (*way, room))
            done.add(room)

    for room in ROOMS:
        visit(room, ())


@pytest.mark.parametrize("module", sorted(PURE))
def test_the_core_cannot_touch_the_machine(module: str) -> None:
    forbidden = {"os", "sys", "subprocess", "pathlib", "shutil", "time", "fcntl"}

    assert {name.split(".")[0] for name in imports(module)} & forbidden == set()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_can_be_read_in_one_go(module: str) -> None:
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")

    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_packages_hold_nothing_but_a_sentence() -> None:
    """Importing one costs the hot path next to nothing, and hides no module."""
    packages = [path for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE]

    texts = {path.parent.name: path.read_text(encoding="utf-8").splitlines() for path in packages}

    assert {name: len(lines) for name, lines in texts.items()} == dict.fromkeys(texts, 1)


def test_within_a_room_there_are_no_circles() -> None:
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
