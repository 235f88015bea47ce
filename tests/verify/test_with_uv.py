"""No false alarm: what a real uv installed verifies clean, in every version, mode and form."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests import real_uv
from tests.filesystems import FileSystems
from tests.uv.world import PYTHON, World
from tests.verify.making import contradictions, edit, found
from uvx_policy.installed.tree import Index, Tree, trees_of_cache, trees_of_environment
from uvx_policy.verify.tally import Tally

MODES = ("clone", "copy", "hardlink", "symlink")
NAME = "schemes"
INFO = f"{NAME}-1.0.dist-info"
DATA = f"{NAME}-1.0.data"
FILES = {
    f"{NAME}/__init__.py": b"def main(): print('original')\n",
    f"{NAME}/with, comma.py": b"",
    f"{NAME}/\u00e4\u00f6.txt": b"umlauts",
    f"{NAME}/program": b"\x7fELF executable",
    f"{NAME}_top.py": b"",
    f"{NAME}.pth": b"# a path\n",
    f"space/{NAME}/in_namespace.py": b"",
    f"{DATA}/purelib/{NAME}_pure/__init__.py": b"",
    f"{DATA}/platlib/{NAME}_plat.py": b"",
    f"{DATA}/scripts/rewritten": b"#!python\nprint('rewritten')\n",
    f"{DATA}/scripts/rewritten-windowed": b"#!pythonw\nprint('rewritten')\n",
    f"{DATA}/scripts/shell": b"#!/bin/sh\necho shell\n",
    f"{DATA}/scripts/binary": b"\x7fELF\x00\xff" * 9,
    f"{DATA}/headers/{NAME}.h": b"int x;\n",
    f"{DATA}/data/share/{NAME}/data.txt": b"data",
    f"{DATA}/data/etc/{NAME}.conf": b"conf",
    f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: schemes\nVersion: 1.0\n",
    f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/entry_points.txt": (
        b"[console_scripts]\nentry = schemes:main\n[gui_scripts]\nwindow = schemes:main\n"
    ),
    f"{INFO}/licenses/LICENSE": b"MIT",
}
_EXECUTABLE = ("program", "shell", "binary")


def build_wheel(directory: Path, algorithm: str = "sha256") -> Path:
    """One file of every scheme; some may be executed."""
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / f"{NAME}-1.0-py3-none-any.whl"
    rows = []
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in FILES.items():
            entry = zipfile.ZipInfo(path)
            mode = 0o100755 if path.endswith(_EXECUTABLE) else 0o100644
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
            told = hashlib.new(algorithm, content).digest()
            digest = base64.urlsafe_b64encode(told).rstrip(b"=").decode()
            quoted = f'"{path}"' if "," in path else path
            rows.append(f"{quoted},{algorithm}={digest},{len(content)}\n")
        archive.writestr(f"{INFO}/RECORD", "".join(rows) + f"{INFO}/RECORD,,\n")
    return wheel


class Maker:
    """Installs the wheel in all ways."""

    def __init__(self, base: Path, uv: Path) -> None:
        self.world = World(base, uv)
        build_wheel(self.world.wheels)
        self.cache = base / "cache"
        self.settings = base / "uv.toml"
        self.settings.write_text(f'no-index = true\nfind-links = ["{self.world.wheels}"]\n')

    def run(self, *words: str, **environ: str) -> None:
        variables: dict[str, Any] = {
            "UV_CACHE_DIR": str(self.cache), "UV_CONFIG_FILE": str(self.settings), **environ
        }  # fmt: skip
        self.world.plain(*words, cwd=self.world.base, **variables)

    def venv(self, path: Path, *words: str) -> Path:
        self.run("venv", "-p", PYTHON, *words, str(path))
        return path

    def install(self, path: Path, *words: str, **environ: str) -> Path:
        self.run("pip", "install", "-p", str(path), *words, NAME, **environ)
        return path

    def sites(self, *environments: Path) -> list[Tree]:
        return [tree for each in environments for tree in trees_of_environment(str(each))]

    def archives(self) -> list[Tree]:
        return list(trees_of_cache(str(self.cache)))


@pytest.fixture
def maker(tmp_path: Path, each_uv: Path) -> Maker:
    return Maker(tmp_path, each_uv)


def is_clean(trees: list[Tree]) -> int:
    """Files that were compared."""
    tally = Tally()
    assert trees
    assert found(*trees, tally=tally) == []
    return tally.hashed_files


@pytest.mark.uv
def test_every_mode_is_clean(maker: Maker, tmp_path: Path) -> None:
    environments = [
        maker.install(maker.venv(tmp_path / mode), "--link-mode", mode) for mode in MODES
    ]
    index = Index([str(maker.cache)], list(map(str, environments)))

    for each in environments:
        # The two entry points are made by the installer, and have hashes as well.
        assert is_clean(maker.sites(each)) >= len(FILES) + 2
        assert [list(contradictions(tree, index)) for tree in maker.sites(each)] == [[]]
    assert is_clean(maker.archives()) == len(FILES)

    script = environments[2] / "bin" / "rewritten"
    script.write_bytes(script.read_bytes() + b"# edited")
    (told,) = found(*maker.sites(environments[2]))
    assert (told.state, os.path.basename(told.path)) == ("edited", "rewritten")


@pytest.mark.uv
def test_every_form_is_clean(maker: Maker, tmp_path: Path) -> None:
    interpreter = maker.venv(tmp_path / "interpreter")
    target, prefix = tmp_path / "target", tmp_path / "prefix"
    maker.install(interpreter, "--target", str(target))
    maker.install(interpreter, "--prefix", str(prefix))
    compiled = maker.install(maker.venv(tmp_path / "compiled"), "--compile-bytecode")
    movable = maker.install(maker.venv(tmp_path / "movable", "--relocatable"))
    shutil.move(movable, tmp_path / "moved")
    long = maker.install(maker.venv(tmp_path / ("long " * 30)))

    for each in (target, prefix, compiled, tmp_path / "moved", long):
        assert is_clean(maker.sites(each)) >= len(FILES), each


@pytest.mark.uv
def test_tools_and_their_cached_environments_are_clean(maker: Maker, tmp_path: Path) -> None:
    directories = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    maker.run("tool", "install", "-p", PYTHON, NAME, **directories)
    maker.run("tool", "run", "--isolated", "-p", PYTHON, "--from", NAME, "entry", **directories)
    script = tmp_path / "script.py"
    script.write_text(f'# /// script\n# dependencies = ["{NAME}"]\n# ///\nimport {NAME}\n')
    maker.run("run", "-p", PYTHON, "--script", str(script))

    assert is_clean(maker.sites(tmp_path / "tools" / NAME)) >= len(FILES) + 2
    trees = maker.archives()
    assert {tree.kind for tree in trees} == {"site", "archive"}
    assert is_clean(trees) > len(FILES)


@pytest.mark.uv
def test_an_edit_is_found_in_whatever_bucket(maker: Maker, tmp_path: Path) -> None:
    first = maker.install(maker.venv(tmp_path / "first"), "--link-mode", "hardlink")
    second = maker.install(maker.venv(tmp_path / "second"), "--link-mode", "hardlink")
    (site,) = maker.sites(first)

    edit(site, f"{NAME}/__init__.py", b"edited")

    for trees in (maker.sites(second), maker.archives()):
        (told,) = found(*trees)
        assert (told.state, told.distribution) == ("edited", NAME)


@pytest.mark.uv
@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_other_hashes_stay_what_they_are(tmp_path: Path, newest_uv: Path, algorithm: str) -> None:
    maker = Maker(tmp_path, newest_uv)
    build_wheel(maker.world.wheels, algorithm)
    environment = maker.install(maker.venv(tmp_path / "env"))

    assert is_clean([*maker.sites(environment), *maker.archives()]) > len(FILES)
    record = Path(maker.sites(environment)[0].path) / INFO / "RECORD"
    assert f",{algorithm}=" in record.read_text()


@pytest.mark.uv
@pytest.mark.parametrize("version", real_uv.each())
@pytest.mark.parametrize("umask", [0o077, 0o002])
def test_any_umask_is_clean(tmp_path: Path, version: str, umask: int) -> None:
    before = os.umask(umask)
    try:
        maker = Maker(tmp_path, real_uv.provide(version) / "uv")
        environment = maker.install(maker.venv(tmp_path / "env"), "--link-mode", "hardlink")
    finally:
        os.umask(before)

    # A later environment gets its RECORD with another umask.
    later = maker.install(maker.venv(tmp_path / "later"), "--link-mode", "hardlink")
    assert is_clean([*maker.sites(environment, later), *maker.archives()]) > 2 * len(FILES)


@pytest.mark.uv
def test_an_editable_installation_is_clean(maker: Maker, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "backend.py").write_text(
        "import zipfile\n"
        "def build_editable(directory, *_):\n"
        "    info = 'mine-1.dist-info/'\n"
        "    with zipfile.ZipFile(directory + '/mine-1-py3-none-any.whl', 'w') as wheel:\n"
        "        wheel.writestr('__editable__.mine.pth', '/source')\n"
        "        told = 'Metadata-Version: 2.1\\nName: mine\\nVersion: 1'\n"
        "        wheel.writestr(info + 'METADATA', told)\n"
        "        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n')\n"
        "        pth = '__editable__.mine.pth,sha256="
        + base64.urlsafe_b64encode(hashlib.sha256(b"/source").digest()).rstrip(b"=").decode()
        + ",7\\n'\n"
        "        rows = pth + info + 'METADATA,,\\n' + info + 'WHEEL,,\\n' + info + 'RECORD,,\\n'\n"
        "        wheel.writestr(info + 'RECORD', rows)\n"
        "    return 'mine-1-py3-none-any.whl'\n"
    )
    (project / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    environment = maker.venv(tmp_path / "env")
    maker.run("pip", "install", "-p", str(environment), "-e", str(project))

    assert is_clean(maker.sites(environment)) >= 1
    (site,) = maker.sites(environment)
    edit(site, "__editable__.mine.pth", b"/evil")
    assert [each.state for each in found(site)] == ["edited"]


# The content store of uv's preview ---------------------------------------------------------------


@pytest.mark.uv
def test_the_content_store(tmp_path: Path, newest_uv: Path) -> None:
    store = {"UV_PREVIEW_FEATURES": "content-addressed-cache"}
    maker = Maker(tmp_path, newest_uv)
    first = maker.venv(tmp_path / "first")
    maker.install(first, "--link-mode", "hardlink", **store)
    assert list((maker.cache / "files-v0").glob("*/*"))
    assert is_clean([*maker.sites(first), *maker.archives()]) > len(FILES)

    (site,) = maker.sites(first)
    edit(site, f"{NAME}/__init__.py", b"edited")

    assert [each.state for each in found(*maker.archives())] == ["edited"]


@pytest.mark.uv
@pytest.mark.filesystem
@pytest.mark.parametrize(("kind", "version"), [*real_uv.each_with("btrfs"), ("xfs", "newest")])
def test_clones_are_clean(fs: FileSystems, kind: str, version: str) -> None:
    base = fs.image(kind)
    maker = Maker(base / "world", real_uv.provide(version) / "uv")
    environments = [maker.install(maker.venv(base / mode), "--link-mode", mode) for mode in MODES]

    assert is_clean([*maker.sites(*environments), *maker.archives()]) > 4 * len(FILES)
    done = subprocess.run([str(environments[0] / "bin" / "entry")], capture_output=True, check=True)
    assert done.stdout == b"original\n"
