"""Without a network: what plain uv can do with its warm cache, the shim can do on a new device.

Each call is made three times in a fresh directory on a device of its own: by uv with an index, so
that its own cache has what it takes; by uv alone without any network; and through the shim without
any network, where nothing was prepared.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.filesystems import FileSystems
from tests.uv.index_server import index_of
from tests.uv.world import World, build_wheel

pytestmark = [
    pytest.mark.uv,
    pytest.mark.filesystem,
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
    pytest.mark.slow,
]

BACKEND = """
import base64, hashlib, pathlib, re, zipfile
import buildhelp

def wheel(directory, editable):
    text = pathlib.Path("pyproject.toml").read_text()
    name, version = (re.search(f'{key} = "(.*)"', text)[1] for key in ("name", "version"))
    requires = re.search(r"dependencies = \\[(.*)\\]", text)[1].replace('"', "").split(",")
    module = f"{name}.pth" if editable else f"{name}/__init__.py"
    content = f"{pathlib.Path.cwd()}\\n" if editable else "VALUE = 'built'\\n"
    info = f"{name}-{version}.dist-info"
    fields = "".join(f"Requires-Dist: {each.strip()}\\n" for each in requires if each.strip())
    files = {
        module: content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n{fields}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    rows = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
        rows += f"{path},sha256={digest.rstrip(b'=').decode()},{len(text.encode())}\\n"
    files[f"{info}/RECORD"] = f"{rows}{info}/RECORD,,\\n"
    built = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(directory) / built, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return built

def build_wheel(directory, *_):
    return wheel(directory, False)

def build_editable(directory, *_):
    return wheel(directory, True)
"""
BUILD_SYSTEM = '[build-system]\nrequires = ["backend>=1"]\nbuild-backend = "backend"\n'


class Index(NamedTuple):
    url: str
    wheels: Path


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """`app` needs `lib`, which needs `leaf`; `app[more]` needs `extra`. `other` is alone."""
    base = tmp_path_factory.mktemp("index")
    wheels = base / "wheels"
    for version in ("1.0", "2.0"):
        build_wheel(wheels, "app", version, requires=["lib>=1", "extra; extra == 'more'",
                                                      "absent; sys_platform == 'nowhere'"],
                    extras=["more"])  # fmt: skip
        build_wheel(wheels, "lib", version, requires=[f"leaf<={version}"])
        build_wheel(wheels, "leaf", version)
    for name in ("extra", "other", "absent", "pip", "setuptools", "wheel", "buildhelp"):
        build_wheel(wheels, name)
    build_wheel(wheels, "large", module=f"#{'x' * (6 << 20)}\n")
    build_wheel(wheels, "backend", requires=["buildhelp"], module=BACKEND)
    with index_of(wheels, base / "pages", lasts=True) as url:
        yield Index(url, wheels)


class Place:
    """A directory on a device where linkpolicy was never used."""

    def __init__(self, world: World, index: Index, disk: Path) -> None:
        self.world, self.index, self.disk = world, index, disk
        self.work = disk / "work"
        self.work.mkdir()
        self.environ: dict[str, str] = {
            "UV_DEFAULT_INDEX": index.url, "UV_TOOL_DIR": str(disk / "tools"),
            "UV_TOOL_BIN_DIR": str(disk / "bin"),
        }  # fmt: skip

    def run(self, *words: str, shim: bool, network: bool = False, check: bool = True) -> Any:
        name = words[:1] if words[:1] == ("uvx",) else ("uv", *words[:1])
        done = subprocess.run(
            [*([] if network else ["unshare", "--net"]), *name, *words[1:]],
            cwd=self.work, env=self.world.environ(shim=shim, **self.environ),
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert "linkpolicy: internal error" not in done.stderr
        assert not check or not done.returncode, f"{words} {shim=}: {done.stdout}{done.stderr}"
        return done

    def project(self, *dependencies: str, more: str = "", name: str = "work") -> Path:
        """A project; one of another name lies beside."""
        directory = self.work if name == "work" else self.disk / name
        directory.mkdir(exist_ok=True)
        quoted = ", ".join(f'"{each}"' for each in dependencies)
        (directory / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "1.0"\nrequires-python = ">=3.8"\n'
            f"dependencies = [{quoted}]\n{more}"
        )
        return directory

    def repository(self) -> tuple[str, str]:
        """A repository with a package: its URL, and its commit."""
        directory = self.project("leaf", more=BUILD_SYSTEM, name="fromgit")
        git = ("git", "-c", "user.name=me", "-c", "user.email=me@here", "-C", str(directory))
        for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "one")):
            subprocess.run([*git, *words], check=True)
        told = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True)
        return f"git+file://{directory}", told.stdout.decode().strip()

    def environment(self) -> None:
        self.run("venv", "-q", shim=False, network=True)

    @property
    def device_caches(self) -> list[Path]:
        return list(self.disk.glob(".uv-cache-*"))

    def used(self) -> int:
        """Bytes on the device."""
        os.sync()
        told = os.statvfs(self.disk)
        return (told.f_blocks - told.f_bfree) * told.f_frsize

    def packages(self) -> set[str]:
        """What the device's cache holds unpacked."""
        return {
            path.name.partition("-")[0]
            for cache in self.device_caches
            for path in cache.glob("archive-v0/*/*.dist-info")
        }

    def linked(self) -> set[str]:
        """Modules that are linked from the device's cache into what was installed here."""
        inodes = {
            path.stat().st_ino
            for cache in self.device_caches
            for path in cache.glob("archive-v0/*/*/__init__.py")
        }
        return {
            path.parent.name
            for top in (self.work, self.disk / "tools")
            for path in top.rglob("__init__.py")
            if path.stat().st_ino in inodes
        }


Prepare = Callable[[Place], object]


def with_project(*dependencies: str, more: str = "", lock: bool = True) -> Prepare:
    def prepare(place: Place) -> None:
        place.project(*dependencies, more=more)
        if lock:
            place.run("lock", "-q", shim=False, network=True)

    return prepare


def with_sources(place: Place) -> None:
    """A project that is a package itself, with one of a repository, of a directory, editable."""
    url, commit = place.repository()
    for name in ("indirectory", "ineditable"):
        place.project("leaf", more=BUILD_SYSTEM, name=name)
    sources = (
        f'{BUILD_SYSTEM}[tool.uv.sources]\nfromgit = {{ git = "{url[4:]}", rev = "{commit}" }}\n'
        'indirectory = { path = "../indirectory" }\n'
        'ineditable = { path = "../ineditable", editable = true }\n'
    )
    place.project("fromgit", "indirectory", "ineditable", "app", more=sources)
    place.run("lock", "-q", shim=False, network=True)


def with_installed(*names: str) -> Prepare:
    """An environment that has these already."""

    def prepare(place: Place) -> None:
        with_project(*names)(place)
        place.run("sync", "-q", shim=False, network=True)

    return prepare


def with_files(**files: str) -> Prepare:
    """An environment, and these files beside."""

    def prepare(place: Place) -> None:
        place.environment()
        for name, content in files.items():
            (place.work / f"{name}.txt").write_text(content)

    return prepare


def with_directory(place: Place) -> None:
    place.environment()
    place.project("app", more=f'{BUILD_SYSTEM}[project.optional-dependencies]\ne = ["other"]\n')


def with_limits(place: Place) -> None:
    """A configuration that uv heeds where it resolves."""
    with_project("lib", more='[tool.uv]\nconstraint-dependencies = ["lib<2"]\n', lock=False)(place)
    place.environment()


def with_tool(place: Place) -> None:
    place.run("tool", "install", "-q", "app<2", shim=False, network=True)
    receipt = place.disk / "tools/app/uv-receipt.toml"
    receipt.write_text(receipt.read_text().replace("<2", ">=1"))


def with_script(place: Place) -> None:
    (place.work / "script.py").write_text(
        '# /// script\n# dependencies = ["app"]\n# ///\nimport app\n'
    )


ALL = {"app", "lib", "leaf"}
SEEDS = {"pip", "setuptools", "wheel"} if sys.version_info < (3, 12) else {"pip"}
#: words, what is there before, what comes from the device's cache in the end; `None`: all of it
#: stays in uv's own
CALLS: dict[str, tuple[str, Prepare, set[str] | None]] = {
    "frozen": ("sync --frozen", with_project("app"), ALL),
    "locked": ("sync --locked", with_project("app[more]"), {*ALL, "extra"}),
    "sync": ("sync", with_project("app"), ALL),
    "unlocked": ("sync", with_project("app", lock=False), ALL),
    "offline": ("sync --offline", with_project("app", lock=False), ALL),
    "upgrade": ("sync --upgrade --offline", with_project("app"), ALL),
    "sources": ("sync", with_sources, {*ALL, "fromgit", "indirectory"}),
    "sources-frozen": ("sync --frozen", with_sources, {*ALL, "fromgit", "indirectory"}),
    "run": ("run --frozen python -c pass", with_project("app"), ALL),
    "run-with-installed": ("run --with app python -c pass", with_installed("app"), set()),
    "run-with": ("run --with other python -c pass", with_project("app"), ALL),
    "add": ("add other", with_project("app"), {*ALL, "other"}),
    "add-installed": ("add other", with_installed("app"), {"other"}),
    "remove": ("remove other", with_project("app", "other"), ALL),
    "group": ("sync --group g", with_project(more='[dependency-groups]\ng=["app"]\n'), ALL),
    "pip": ("pip install app", with_files(), ALL),
    "pip-offline": ("pip install --offline app==1.0 leaf==1.0", with_files(), ALL),
    "pip-extra": ("pip install app[more]>=2", with_files(), {*ALL, "extra"}),
    "pip-files": (
        "pip install -r in.txt -c limits.txt",
        with_files(**{"in": "app  # the\n-r more.txt\n", "more": "other\n", "limits": "lib<2\n"}),
        {*ALL, "other"},
    ),
    "pip-limited": ("pip install app", with_limits, ALL),
    "pip-sync": ("pip sync in.txt", with_files(**{"in": "lib==2.0\nleaf==1.0\n"}), {"lib", "leaf"}),
    "pip-here": ("pip install .[e]", with_directory, {*ALL, "work", "other"}),
    "pip-editable": ("pip install -e .", with_directory, ALL),
    "pip-target": ("pip install --target here other", with_files(), {"other"}),
    "pip-old": ("pip install --resolution lowest app lib", with_files(), ALL),
    "seeded": ("venv --seed", lambda _: None, SEEDS),
    "tool": ("tool install app[more] --with other", lambda _: None, {*ALL, "extra", "other"}),
    "tool-at": ("tool install app@1.0", lambda _: None, ALL),
    "tool-upgrade": ("tool upgrade app --offline", with_tool, {"app"}),
    "uvx": ("uvx --from app app-tool", lambda _: None, None),
    "script": ("run script.py", with_script, None),
    "with": ("run --no-project --with app python -c pass", lambda _: None, None),
}
#: those that differ from another one in little
SELDOM = {
    "locked", "offline", "sources-frozen", "run", "remove", "group", "pip", "pip-old", "tool-at",
    "uvx", "with", "pip-target",
}  # fmt: skip


class Kept:
    """What is on a device, to be put back."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._copy = place.world.base / "kept"
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(place.disk, self._copy, symlinks=True, ignore=_lost)

    def restore(self) -> None:
        for path in self._place.disk.iterdir():
            if path.name != "lost+found" and path != self._place.work:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self._place.work.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        shutil.copytree(
            self._copy, self._place.disk, symlinks=True, dirs_exist_ok=True, ignore=_lost
        )


def _lost(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "lost+found"]


@pytest.fixture
def place(fs: FileSystems, each_uv: Path, index: Index) -> Place:
    world = World(fs.other_ext4 / "world", each_uv, home=fs.other_ext4 / "home")
    return Place(world, index, fs.image("ext4", size=64 << 20))


@pytest.mark.parametrize(
    "call",
    [pytest.param(each, marks=pytest.mark.exhaustive if each in SELDOM else ()) for each in CALLS],
)
@pytest.mark.parametrize("each_uv", ["newest"], indirect=True)
def test_what_uv_can_do_without_a_network_the_shim_can(place: Place, call: str) -> None:
    check(place, *CALLS[call])


@pytest.mark.parametrize("call", ["sources", "add", "pip-files", "tool"])
@pytest.mark.parametrize("each_uv", ["0.8.15"], indirect=True)
def test_an_older_uv_can_as_well(place: Place, call: str) -> None:
    check(place, *CALLS[call])


def check(place: Place, call: str, prepare: Prepare, expected: set[str] | None) -> None:
    words = call.split()
    prepare(place)
    before = Kept(place)
    place.run(*(word for word in words if word != "--offline"), shim=False, network=True)
    before.restore()
    place.run(*words, shim=False)
    before.restore()

    place.run(*words, shim=True)

    assert place.linked() == (expected or set())
    assert bool(place.device_caches) == (expected is not None)


# What is brought, and what is not ----------------------------------------------------------------


def warmed(place: Place, *words: str) -> None:
    """uv's own cache has what this call takes; nothing is left of it here."""
    before = Kept(place)
    place.run(*words, shim=False, network=True)
    before.restore()


@pytest.mark.parametrize(
    "words",
    ["sync --dry-run", "sync --check", "pip install --dry-run app", "lock", "pip compile -"],
)
@pytest.mark.parametrize("each_uv", ["newest"], indirect=True)
def test_what_installs_nothing_fills_nothing(place: Place, words: str) -> None:
    with_project("app")(place)
    warmed(place, "sync")
    place.environment()

    place.run(*words.split(), shim=True, check=False)

    assert not place.packages()


@pytest.mark.parametrize("each_uv", ["newest"], indirect=True)
def test_only_what_is_meant_is_brought(place: Place) -> None:
    """One version of several, and no answer of an index where uv asks for none."""
    with_files()(place)
    for words in ("other", "app==1.0", "app[more]"):
        warmed(place, "pip", "install", words)
    with_project("app")(place)

    place.run("sync", shim=True)
    brought = {path.name for cache in place.device_caches for path in cache.glob("archive-v0/*/*")}
    of_index = [*place.disk.glob(".uv-cache-*/simple-v*/*/*/*")]
    place.run("add", "other", shim=True)

    assert {each for each in brought if each.endswith(".dist-info")} == {
        f"{name}-2.0.dist-info" for name in ALL
    }
    assert not of_index
    assert {path.stem for path in place.disk.glob(".uv-cache-*/simple-v*/*/*/*")} >= ALL


@pytest.mark.parametrize("each_uv", ["newest"], indirect=True)
@pytest.mark.parametrize("where", ["cut off", "--offline"])
def test_what_cannot_be_told_stays_with_the_warm_cache(place: Place, where: str) -> None:
    """A branch: which commit it is only a repository can say."""
    url, _ = place.repository()
    place.environment()
    warmed(place, "pip", "install", f"fromgit @ {url}")
    words = ("pip", "install", f"fromgit @ {url}", *(["--offline"] if where == "--offline" else []))
    as_plain = place.run(*words, shim=False, check=False).returncode
    shutil.rmtree(place.work / ".venv")
    place.environment()

    done = place.run(*words, shim=True, check=False)

    assert done.returncode == as_plain
    assert not place.packages()


@pytest.mark.parametrize("each_uv", ["newest"], indirect=True)
def test_as_many_bytes_are_written_as_by_uv(place: Place) -> None:
    """To a new device: what uv alone would copy, and no more than a twentieth above it."""
    with_project("app[more]", "large")(place)
    warmed(place, "sync")

    before = place.used()
    place.run("sync", shim=False)
    by_uv = place.used() - before
    shutil.rmtree(place.work / ".venv")
    before = place.used()
    place.run("sync", shim=True)

    assert place.used() - before < by_uv * 1.05


@pytest.mark.parametrize("each_uv", ["newest"], indirect=True)
def test_nothing_that_git_would_execute_is_brought(place: Place) -> None:
    with_sources(place)
    warmed(place, "sync", "--upgrade")
    for hooks in place.world.default_cache.glob("git-v*/db/*/.git/hooks"):
        (hooks / "post-checkout").write_text("#!/bin/sh\ntouch /tmp/executed\n")
        (hooks / "post-checkout").chmod(0o755)

    place.run("sync", "--upgrade", "--offline", shim=True)

    assert [*place.disk.glob(".uv-cache-*/git-v*/db/*/.git/objects")]
    assert not [*place.disk.glob(".uv-cache-*/git-v*/db/*/.git/hooks/post-checkout")]


@pytest.mark.parametrize("each_uv", ["newest"], indirect=True)
def test_the_next_call_for_the_same_is_replayed(place: Place) -> None:
    with_files()(place)
    warmed(place, "pip", "install", "app")

    states = []
    for _ in range(3):
        place.run("pip", "install", "app", shim=True)
        told = place.world.linkpolicy(
            "explain", "--json", "--", "pip", "install", "app", cwd=place.work, **place.environ,
            PATH=place.world.environ()["PATH"],
        )  # fmt: skip
        states.append(told.json["record"]["state"])

    assert states[-1] == "replayed"
