"""What real uvs install is reclaimed, and uv and Python go on with it as before."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests import real_uv
from tests.filesystems import FileSystems, flush, physical_ranges, same_inode
from tests.ordinary_user import only_root
from tests.repair.scene import EDITED
from tests.uv.world import (
    NAME,
    ORIGINAL,
    Done,
    World,
    archived,
    build_wheel,
    files_below,
    installed,
)

pytestmark = [pytest.mark.filesystem, pytest.mark.uv]

BACKEND = """
import base64, hashlib, pathlib, zipfile
def build(directory, name, files):
    rows = ""
    with zipfile.ZipFile(pathlib.Path(directory) / f"{name}-1-py3-none-any.whl", "w") as wheel:
        for path, content in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            rows += f"{path},sha256={digest.decode()},{len(content)}\\n"
            wheel.writestr(path, content)
        wheel.writestr(f"{name}-1.dist-info/RECORD", rows + f"{name}-1.dist-info/RECORD,,\\n")
    return f"{name}-1-py3-none-any.whl"
def both(directory, module):
    name = "NAME"
    info = f"{name}-1.dist-info"
    metadata = f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1\\n".encode()
    wheel = b"Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files = {**module, f"{info}/METADATA": metadata, f"{info}/WHEEL": wheel}
    return build(directory, name, files)
def build_wheel(directory, *_):
    return both(directory, {"NAME.py": pathlib.Path("NAME.py").read_bytes()})
def build_editable(directory, *_):
    return both(directory, {"NAME.pth": f"{pathlib.Path.cwd()}\\n".encode() * 300})
"""


def source(directory: Path, name: str) -> Path:
    """A project that can be built without anything else, with one module."""
    directory.mkdir()
    (directory / "backend.py").write_text(BACKEND.replace("NAME", name))
    (directory / f"{name}.py").write_text(f"WHICH = {name!r}\n" * 500)
    (directory / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "1"\n'
    )
    return directory


def git(directory: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x", "-C", directory, *words],
        check=True, capture_output=True,
    )  # fmt: skip


def reclaim(world: World, *roots: Path, code: int = 0) -> Done:
    flush(world.base)
    done = world.linkpolicy("reclaim", "--yes", "--json", *map(str, roots))
    assert done.code == code, (done.out, done.err)
    return done


def contents(*tops: Path) -> dict[Path, tuple[int, bytes]]:
    return {
        path: (path.stat().st_mode, path.read_bytes())
        for top in tops
        for path in files_below(top)
        if path.suffix != ".pyc" and path.name != ".lock" and ".local" not in path.parts
    }


def verified(world: World, *environments: Path) -> None:
    done = world.linkpolicy("verify", *map(str, environments))
    assert done.code == 0, done.out


def site_of(environment: Path) -> Path:
    (site,) = environment.glob("lib/python3*/site-packages")
    return site


@pytest.mark.parametrize("kind", ["ext4", "btrfs"])
def test_editable_git_and_path_dependencies(fs: FileSystems, newest_uv: Path, kind: str) -> None:
    """What lies in a checkout is its owner's, whatever has the same bytes."""
    world = World(getattr(fs, kind) / "world", newest_uv)
    sources = {name: source(world.base / name, name) for name in ("edited", "versioned", "local")}
    git(sources["versioned"], "init", "--quiet")
    git(sources["versioned"], "add", ".")
    git(sources["versioned"], "commit", "--quiet", "-m", "x")
    environments = [world.base / name for name in ("first", "second")]
    for environment in environments:
        world.environment(environment, mode="copy")
        world.plain(
            "pip", "install", "--link-mode", "copy", "-p", str(environment), "--no-index",
            "-e", str(sources["edited"]), str(sources["local"]),
            f"versioned @ git+file://{sources['versioned']}", cwd=world.base,
        )  # fmt: skip
    before = contents(world.base, world.home)
    freeze = [world.plain("pip", "freeze", "-p", str(each), cwd=world.base).stdout
              for each in environments]  # fmt: skip

    done = reclaim(world, *environments)

    assert contents(world.base, world.home) == before
    assert done.json["left"] == [] or {row["reason"] for row in done.json["left"]} <= {"inline"}
    flush(world.base)
    for path in files_below(sources["edited"]):
        assert path.stat().st_nlink == 1
    for name in ("versioned.py", "local.py", "edited.pth", f"{NAME}/data.bin"):
        copies = [site_of(each) / name for each in environments]
        in_cache = [*world.default_cache.rglob(f"archive-v0/*/{name}")]
        assert in_cache, name
        if kind == "ext4":
            # Editable ones are built for each environment, some uvs do not keep them.
            assert same_inode(*copies), name
            assert any(same_inode(copies[0], each) for each in in_cache), name
        else:
            assert physical_ranges(copies[0]) == physical_ranges(copies[1]), name
    for environment, told in zip(environments, freeze, strict=True):
        out = world.plain("pip", "freeze", "-p", str(environment), cwd=world.base).stdout
        assert out == told
        world.plain("pip", "check", "-p", str(environment), cwd=world.base)
    (sources["edited"] / "edited.py").write_text("WHICH = 'another'\n")
    program = [str(environments[0] / "bin/python"), "-c", "import edited; print(edited.WHICH)"]
    assert subprocess.run(program, capture_output=True, text=True, check=True).stdout == "another\n"
    verified(world, *environments)


@pytest.mark.parametrize("kind", ["ext4", "btrfs", "xfs"])
def test_a_project_that_was_synced(fs: FileSystems, newest_uv: Path, kind: str) -> None:
    """Copied by an earlier uv's settings: afterwards as if it had been linked at once."""
    world = World(getattr(fs, kind) / "world", newest_uv)
    project = world.project(world.base / "project", uv='link-mode = "copy"\n')
    world.plain("sync", cwd=project)
    # As long as it stands there, uv's own choice is copies, and hard links would be against it.
    pyproject = project / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('link-mode = "copy"\n', ""))
    (cached,) = archived(world.default_cache)
    path = installed(project / ".venv") / "data.bin"
    before = contents(project / ".venv", world.default_cache)

    reclaim(world, project)

    assert contents(project / ".venv", world.default_cache) == before
    flush(world.base)
    if kind == "ext4":
        assert same_inode(path, cached.with_name("data.bin"))
    else:
        assert physical_ranges(path) == physical_ranges(cached.with_name("data.bin"))
    (project / "pyproject.toml").write_text(
        (project / "pyproject.toml").read_text().replace('link-mode = "copy"\n', "")
    )
    synced = world.plain("sync", "--offline", "-v", cwd=project)
    assert f"Installed {NAME}" not in synced.stderr
    assert f"+ {NAME}" not in synced.stderr
    verified(world, project / ".venv")


@pytest.mark.parametrize("each_uv", real_uv.each(), indirect=True)
def test_each_uv_goes_on_with_it(fs: FileSystems, each_uv: Path) -> None:
    """It reinstalls, without a network; removes; prunes: nobody else misses anything then."""
    world = World(fs.ext4 / "world", each_uv, fs.ext4 / "home")
    first, second = (
        world.environment(world.base / name, mode="copy") for name in ("first", "second")
    )
    before = contents(installed(first).parent, installed(second).parent)
    reclaim(world, first, second)
    (cached,) = archived(world.default_cache)
    data = [installed(each) / "data.bin" for each in (first, second)]
    assert all(same_inode(path, cached.with_name("data.bin")) for path in data)
    assert contents(installed(first).parent, installed(second).parent) == before

    common = ("-p", str(first), "--no-index", "--find-links", str(world.wheels), "--offline")
    world.plain("pip", "install", *common, "--reinstall", NAME, cwd=world.base)
    assert contents(installed(first).parent, installed(second).parent) == before
    world.plain("pip", "uninstall", "-p", str(first), NAME, cwd=world.base)
    world.plain("cache", "prune", cwd=world.base)
    world.plain("cache", "clean", cwd=world.base)
    assert contents(installed(second).parent) == {
        path: known for path, known in before.items() if second in path.parents
    }
    world.plain("pip", "check", "-p", str(second), cwd=world.base)
    verified(world, second)


def test_several_uvs_with_one_cache(fs: FileSystems) -> None:
    """Each has unpacked the wheel for itself, in archives of one bucket."""
    home = fs.ext4 / "home"
    worlds = [
        World(fs.ext4 / f"world{number}", real_uv.provide(version) / "uv", home)
        for number, version in enumerate((real_uv.SUPPORTED[0], "0.10.12", "newest"))
    ]
    environments = [
        world.environment(world.base / "env", mode="copy", cache=worlds[0].default_cache)
        for world in worlds
    ]
    build_wheel(worlds[0].wheels, "other")
    before = contents(*map(site_of, environments))

    reclaim(worlds[-1], *environments)

    assert contents(*map(site_of, environments)) == before
    inodes = {(installed(each) / "data.bin").stat().st_ino for each in environments}
    archives = {
        each.with_name("data.bin").stat().st_ino for each in archived(worlds[0].default_cache)
    }
    assert len(inodes) == 1
    assert inodes <= archives
    for world, environment in zip(worlds, environments, strict=True):
        world.plain(
            "pip", "install", "-p", str(environment), "--no-index", "--find-links",
            str(world.wheels), "--offline", "--reinstall", NAME, cwd=world.base,
        )  # fmt: skip
        world.plain("cache", "prune", cwd=world.base)
    assert contents(*map(site_of, environments)) == before


@pytest.mark.parametrize("option", [(), ("-O",)])
def test_python_compiles_nothing_again(
    fs: FileSystems, newest_uv: Path, option: tuple[str, ...]
) -> None:
    """Also where it could not keep what it compiles: then each start would take longer."""
    world = World(fs.ext4 / "world", newest_uv, fs.ext4 / "home")
    environment = world.environment(world.base / "env", mode="copy")
    module = installed(environment) / "__init__.py"
    os.utime(module, (1_700_000_000, 1_700_000_000))  # not in the second in which it was unpacked
    python = str(environment / "bin/python")
    subprocess.run([python, *option, "-c", f"import {NAME}"], check=True)
    assert loaded(environment, *option) == "bytecode"

    done = reclaim(world, environment)

    assert done.json["bytecode"] == 1
    (cached,) = archived(world.default_cache)
    assert same_inode(cached, module)
    assert loaded(environment, *option) == "bytecode"


def loaded(environment: Path, *option: str) -> str:
    done = subprocess.run(
        [str(environment / "bin/python"), "-B", "-v", *option, "-c", f"import {NAME}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (found,) = re.findall(rf"# code object from '?(\S*/{NAME}/\S*?)'?\n", done.stderr)
    return "source" if found.endswith(".py") else "bytecode"


@only_root
def test_what_uv_has_compiled(fs: FileSystems, newest_uv: Path) -> None:
    """`--compile-bytecode`, as images are built that are read-only afterwards."""
    world = World(fs.ext4 / "world", newest_uv, fs.ext4 / "home")
    environment = world.environment(world.base / "env", mode="copy")
    world.plain(
        "pip", "install", "-p", str(environment), "--no-index", "--find-links", str(world.wheels),
        "--link-mode", "copy", "--reinstall", "--compile-bytecode", NAME, cwd=world.base,
    )  # fmt: skip
    (cached,) = archived(world.default_cache)
    os.utime(cached, (1_600_000_000, 1_600_000_000))  # unpacked long ago
    assert loaded(environment) == "bytecode"

    reclaim(world, environment)

    assert same_inode(cached, installed(environment) / "__init__.py")
    assert loaded(fs.bind(environment, read_only=True)) == "bytecode"


def test_with_seed_the_archives_are_made_of_what_is_there(fs: FileSystems, newest_uv: Path) -> None:
    """Environments on a disk without a cache; one has an edit, which goes nowhere."""
    world = World(fs.ext4 / "world", newest_uv, fs.ext4 / "home")
    projects = [world.project(fs.other_ext4 / name) for name in ("edited", "first", "second")]
    for project in projects:
        world.plain("sync", "--link-mode", "copy", cwd=project)
    modules = [installed(project / ".venv") / "__init__.py" for project in projects]
    modules[0].write_text(EDITED)
    before = contents(*projects)
    words = ("--seed", *map(str, projects))
    dry = world.linkpolicy("reclaim", "--dry-run", *words)
    assert dry.code == 0, dry.err
    assert contents(*projects) == before
    (seeded,) = world.linkpolicy("reclaim", "--dry-run", "--json", *words).json["seeded"]
    assert not Path(seeded["cache"]).exists()

    done = world.linkpolicy("reclaim", "--yes", "--json", *words)

    assert done.code == 0, done.err
    assert contents(*projects) == before
    (module,) = archived(Path(seeded["cache"]))
    assert module.read_text() == ORIGINAL
    assert same_inode(modules[1], module)
    assert same_inode(modules[2], module)
    assert modules[0].stat().st_nlink == 1
    third = world.project(fs.other_ext4 / "third")
    world.uv("sync", cwd=third)
    assert same_inode(installed(third / ".venv") / "__init__.py", module)
    for project in (*projects[1:], third):
        verified(world, project / ".venv")
