"""Files that several share: packages, caches, environments by any kind of link, programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.caches.machine import Machine
from tests.filesystems import FileSystems, same_inode, shared_extents
from tests.repair.scene import EDITED, Scene, module, printed
from tests.uv.world import NAME, ORIGINAL, PYTHON, installed
from uvx_policy.state import layout

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]


def test_a_file_that_two_packages_share_is_whole_in_both(machine: Machine) -> None:
    """With uv's preview `content-addressed-cache` both are one inode, in `files-v0` as well."""
    world = machine.world
    preview = ("--preview-features", "content-addressed-cache")
    project = world.project(world.base / "a")
    world.uv("venv", "-p", PYTHON, cwd=project)
    world.uv(
        "pip", "install", *preview, "--offline", "--no-index",
        "--find-links", str(world.wheels), NAME, "other", cwd=project,
    )  # fmt: skip
    edited = module(project)
    twin = edited.parent.parent / "other/__init__.py"
    assert same_inode(edited, twin)
    (stored,) = (
        path for path in world.default_cache.glob("files-v0/*/*") if same_inode(path, edited)
    )
    edited.write_text(EDITED)

    with machine.working_in(project):
        done = machine.linkpolicy("repair", "--yes", "--offline")

    assert done.code == 0, done.out
    assert [edited.read_text(), twin.read_text(), stored.read_text()] == [ORIGINAL] * 3
    # Two archives, the store, and both packages here: one inode, as before.
    assert same_inode(edited, twin)
    assert same_inode(edited, stored)
    assert edited.stat().st_nlink == 5
    assert machine.linkpolicy("verify", "--all").code == 0


def test_a_clean_copy_on_another_disk_is_enough(scene: Scene, machine: Machine, disk: Path) -> None:
    other = disk / layout.device_cache_name(str(os.geteuid()))
    machine.environment(disk / "env", other, NAME)
    shutil.rmtree(disk / "env")
    scene.world.wheels.rename(scene.base / "away")
    module(scene.a).write_text(EDITED)

    dry = scene.repair("--dry-run")
    done = scene.repair()

    assert f"from {other}/archive-v0/" in dry.out
    assert (dry.code, done.code) == (1, 0), done.out
    assert [printed(scene.a), printed(scene.b)] == ["original", "original"]
    assert same_inode(module(scene.a), scene.archive / "__init__.py")


def test_the_poison_goes_from_both_caches(scene: Scene, disk: Path) -> None:
    """The other one was seeded from the first (`cp`): another inode, the same wrong bytes."""
    module(scene.a).write_text(EDITED)
    other = disk / layout.device_cache_name(str(os.geteuid()))
    shutil.copytree(scene.cache, other, symlinks=True)
    (there,) = other.glob(f"archive-v0/*/{NAME}/__init__.py")
    assert there.read_text() == EDITED

    done = scene.repair()

    assert done.code == 0, done.out
    assert there.read_text() == ORIGINAL
    assert len([path for path in scene.saved() if path.name == "__init__.py"]) == 1


@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_a_clone_is_a_clone_again(machine: Machine, fs: FileSystems, kind: str) -> None:
    base: Path = getattr(fs, kind)
    cache = base / layout.device_cache_name(str(os.geteuid()))
    env = machine.environment(base / "env", cache, mode="clone")
    data = installed(env) / "data.bin"
    archived = next(cache.glob(f"archive-v0/*/{NAME}/data.bin"))
    os.sync()
    assert shared_extents(data)
    with data.open("r+b") as stream:
        stream.write(b"edited")

    done = machine.linkpolicy("repair", "--yes", str(env), str(cache))

    assert done.code == 0, done.out
    assert data.read_bytes() == archived.read_bytes()
    subprocess.run(["sync", "-f", base], check=True)
    assert shared_extents(data)
    assert not same_inode(data, archived)


def test_behind_symbolic_links_the_cache_is_restored(machine: Machine) -> None:
    world = machine.world
    env = machine.environment(world.base / "env", world.default_cache, mode="symlink")
    file = installed(env) / "__init__.py"
    assert file.is_symlink()
    file.write_text(EDITED)
    link = os.readlink(file)

    done = machine.linkpolicy(
        "repair", "--yes", "--offline", "--keep-edits", str(world.base / "kept"), str(env)
    )

    assert done.code == 1, done.out  # its project says nothing about where packages come from
    assert file.read_text() == EDITED
    world.plain(
        "pip", "install", "--target", str(world.base / "clean"), "--cache-dir",
        str(world.base / "other"), "--no-index", "--find-links", str(world.wheels), NAME,
        cwd=world.base,
    )  # fmt: skip
    done = machine.linkpolicy("repair", "--yes", str(env), str(world.base / "other"))
    assert done.code == 0, done.out
    assert file.read_text() == ORIGINAL
    assert os.readlink(file) == link


def test_a_link_that_somebody_replaced_by_a_file_is_a_link_again(machine: Machine) -> None:
    world = machine.world
    env = machine.environment(world.base / "env", world.default_cache, mode="symlink")
    file = installed(env) / "__init__.py"
    file.unlink()
    file.write_text(EDITED)

    done = machine.linkpolicy("repair", "--yes", str(env))

    assert done.code == 0, done.out
    assert file.is_symlink()
    assert file.read_text() == ORIGINAL


def test_a_copy_stays_a_copy(machine: Machine) -> None:
    world = machine.world
    env = machine.environment(world.base / "env", world.default_cache, mode="copy")
    file = installed(env) / "__init__.py"
    file.write_text(EDITED)

    done = machine.linkpolicy("repair", "--yes", str(env))

    assert done.code == 0, done.out
    assert file.read_text() == ORIGINAL
    assert file.stat().st_nlink == 1


def test_a_program_that_runs_keeps_what_it_has_loaded(scene: Scene) -> None:
    """A compiled module is mapped into memory: its inode is never written, only replaced."""
    data = module(scene.a).with_name("data.bin")
    with data.open("r+b") as stream:
        stream.write(b"edited")
    program = (
        "import mmap, sys\n"
        f"file = open({str(data)!r}, 'rb')\n"
        "mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_EXEC)\n"
        "print(mapped[:6].decode(), flush=True)\n"
        "sys.stdin.readline()\n"
        "print(mapped[:6].decode(), flush=True)\n"
    )
    with subprocess.Popen(
        [PYTHON, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stdout.readline() == "edited\n"

        done = scene.repair()

        assert done.code == 0, done.out
        assert running.communicate("\n")[0] == "edited\n"
    assert data.read_bytes() == bytes(range(256)) * 256


def test_a_wheel_that_uv_built_is_where_its_original_comes_from(scene: Scene) -> None:
    """No registry has a hash of it, and a build may give other bytes: uv keeps the wheel itself."""
    source = scene.base / "mine"
    (source / "mine").mkdir(parents=True)
    (source / "mine/__init__.py").write_text(ORIGINAL)
    (source / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "2"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (source / "backend.py").write_text(_BACKEND)
    scene.world.uv("pip", "install", "--offline", str(source), cwd=scene.a)
    (site,) = scene.a.glob(".venv/lib/*/site-packages")
    file = site / "mine/__init__.py"
    assert file.stat().st_nlink > 1
    file.write_text(EDITED)
    shutil.rmtree(source)

    dry = scene.repair("--dry-run")
    done = scene.repair()

    assert "mine-2-py3-none-any.whl" in dry.out.replace("\n", "")
    assert done.code == 0, done.out
    assert file.read_text() == ORIGINAL


_BACKEND = """
import base64, hashlib, zipfile

def build_wheel(directory, settings=None, metadata=None):
    name = "mine-2-py3-none-any.whl"
    files = {
        "mine/__init__.py": open("mine/__init__.py", "rb").read(),
        "mine-2.dist-info/METADATA": b"Metadata-Version: 2.1\\nName: mine\\nVersion: 2\\n",
        "mine-2.dist-info/WHEEL": b"Wheel-Version: 1.0\\nGenerator: t\\n"
        b"Root-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    rows = []
    for path, content in files.items():
        told = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={told},{len(content)}\\n")
    rows.append("mine-2.dist-info/RECORD,,\\n")
    files["mine-2.dist-info/RECORD"] = "".join(rows).encode()
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)
    return name
"""


# Hackable projects -------------------------------------------------------------------------------


HACKABLE = "\n[tool.linkpolicy]\nhackable = true\n"


def test_a_hackable_project_keeps_its_edits(scene: Scene) -> None:
    """It was linked before it was marked: its file is the cache's, and everybody's."""
    with (scene.a / "pyproject.toml").open("a") as stream:
        stream.write(HACKABLE)
    module(scene.a).write_text(EDITED)
    inode = module(scene.a).stat().st_ino

    done = scene.repair(cwd=scene.b)

    assert done.code == 0, done.out
    assert "1 file differs as intended." in done.out
    assert [printed(scene.a), printed(scene.b)] == ["edited!!", "original"]
    assert module(scene.a).stat().st_nlink == 1
    assert module(scene.a).stat().st_ino == inode
    assert same_inode(module(scene.b), scene.archive / "__init__.py")
    assert printed(scene.project("c")) == "original"


def test_a_hackable_project_gets_a_file_of_its_own_where_others_still_have_it(
    scene: Scene,
) -> None:
    with (scene.a / "pyproject.toml").open("a") as stream:
        stream.write(HACKABLE)
    module(scene.a).write_text(EDITED)
    somewhere = scene.base / "somewhere.py"
    somewhere.hardlink_to(module(scene.a))

    done = scene.repair()

    assert done.code == 1, done.out
    assert "1 more hard link in unknown environments" in done.out
    assert module(scene.a).read_text() == somewhere.read_text() == EDITED
    assert not same_inode(module(scene.a), somewhere)


def test_a_hackable_project_is_restored_when_asked(scene: Scene) -> None:
    with (scene.a / "pyproject.toml").open("a") as stream:
        stream.write(HACKABLE)
    module(scene.a).write_text(EDITED)

    done = scene.repair("--also-hackable")

    assert done.code == 0, done.out
    assert printed(scene.a) == "original"
    assert module(scene.a).stat().st_nlink == 1  # copies, as the policy says


# Environments that uv keeps in its cache ---------------------------------------------------------


@pytest.mark.parametrize("uv_version", ["0.5.23", "newest"])
def test_the_environment_of_a_tool_in_the_cache_is_restored(scene: Scene) -> None:
    """`uvx` installs into an archive: linked from its neighbour, and edited like any other."""
    scene.world.uv(
        "uvx", "--offline", "--no-index", "--find-links", str(scene.world.wheels),
        "--from", NAME, "tinypkg-tool", cwd=scene.base,
    )  # fmt: skip
    (tool,) = scene.cache.glob(f"archive-v0/*/lib/*/site-packages/{NAME}/__init__.py")
    assert same_inode(tool, module(scene.a))
    with tool.open("a") as stream:
        stream.write("VALUE = 'more'\n")

    done = scene.repair("--cache")

    assert done.code == 0, done.out + done.err
    assert {path.read_text() for path in (tool, module(scene.a), module(scene.b))} == {ORIGINAL}
    assert same_inode(tool, scene.archive / "__init__.py")
    assert same_inode(tool, module(scene.b))
    assert scene.verify("--all").code == 0


def test_a_bucket_that_is_a_link_is_named_and_not_followed(scene: Scene) -> None:
    """A project may bring `.uv-cache/archive-v0` along, as a link into another project."""
    evil = scene.base / "evil" / ".uv-cache"
    evil.mkdir(parents=True)
    (evil / "CACHEDIR.TAG").touch()
    (site,) = scene.b.glob(".venv/lib/*")
    (evil / "archive-v0").symlink_to(site)
    module(scene.b).unlink()
    module(scene.b).write_text(EDITED)
    mine = module(scene.b).with_name("mine.py")
    mine.write_text("MINE = 1\n")

    done = scene.repair("--remove-extra", str(evil))

    assert done.code == 1
    assert "there is a symbolic link on the way to it" in done.out
    assert module(scene.b).read_text() == EDITED
    assert mine.read_text() == "MINE = 1\n"
