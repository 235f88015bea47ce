"""Imports point one way, the core cannot touch the machine, and every module has a place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "uvx_policy"

#: bottom to top; a module may import from lower layers and, freely, within its own
LAYERS = (
    "record model errors layout fingerprint small_os",
    """uv.options uv.invocation settings.keys settings.path_glob filesystem.mounts guard
    symlinked_venv decide edits""",
    """host state_files replay.witness replay.key replay.records replay.recording replay.outlook
    toml_file uv.script_block uv.member_glob uv.workspace uv.directories uv.config
    uv.settings uv.environments uv.destination uv.version settings.check settings.reader memory
    filesystem.probe filesystem.capability filesystem.cache_safety filesystem.places
    filesystem.cache_directory locate launch trace own_name
    environments.model environments.register environments.find environments.installed
    environments.survey environments.ahead environments.walk environments.edited
    environments.installations environments.extents
    environments.counts environments.digest environments.linking environments.distinct
    caches.archives caches.contents caches.known
    caches.measure caches.locks caches.linked caches.rehearsal caches.danger caches.cleaning
    verify.model verify.hashing verify.verified verify.modes verify.scripts verify.extras
    verify.engine verify.index verify.elsewhere verify.vouching verify.originals
    verify.difference
    repair.model repair.restore repair.keep repair.rows repair.plan repair.apply repair.uv
    repair.unfinished detach.shared""",
    "pipeline",
    """shim under_policy doctor.finding doctor.case doctor.environment doctor.stored_files
    doctor.installed_files
    doctor.caches doctor.cache_contents
    doctor.engine doctor.to_type doctor.crash_log doctor.report doctor.redact doctor.mend
    doctor.facts_report
    doctor.waiting doctor.command doctor.installation
    doctor.programs doctor.started doctor.shim_start doctor.setup_state
    doctor.clients doctor.project_files doctor.installed_tools doctor.configuration
    doctor.config_tables doctor.project doctor.project_cache doctor.variables doctor.uv_settings
    explain cli settings.edit settings.init_command setup.shim_file setup.launcher
    setup.shells setup.startup_file setup.shim_directories setup.record setup.words setup.steps
    setup.command demo.tiny_wheel demo.interrupts demo.evidence demo.stage demo.places
    demo.problems demo.report demo.command
    status.row status.policy status.gather status.words status.table status.remarks status.as_json
    status.progress status.command
    caches.gather caches.table caches.as_json caches.screen caches.work caches.command
    verify.targets verify.counted verify.progress verify.as_json verify.report verify.command
    repair.gather repair.words repair.as_json repair.command
    detach.command""",
)
LAYER_OF = {module: number for number, modules in enumerate(LAYERS) for module in modules.split()}
#: reads its own pid, nothing else
_NOT_PURE = {"guard"}
CORE = {"record", "model", "errors", *LAYERS[1].split()} - _NOT_PURE

MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if path.stem != "__init__"
)


def imports(module: str, *, for_types: bool) -> Iterator[str]:
    """Names that the module imports, at any depth; those under TYPE_CHECKING only if asked."""
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
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
    """Modules of ours that this one imports: `uvx_policy.a.b.name` is the module `a.b`."""
    found = set()
    for name in imports(module, for_types=False):
        parts = name.split(".")[1:] if name.startswith("uvx_policy.") else []
        found |= {known for known in (".".join(parts[:n]) for n in (1, 2)) if known in LAYER_OF}
    return found


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


def test_packages_hold_nothing_but_a_sentence() -> None:
    """Importing one costs the hot path next to nothing, and hides no module."""
    packages = [path for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE]

    texts = {path.parent.name: path.read_text(encoding="utf-8").splitlines() for path in packages}

    assert {name: len(lines) for name, lines in texts.items()} == dict.fromkeys(texts, 1)


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
