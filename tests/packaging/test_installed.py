"""The wheel as pip installs it, the real commands, and the shims that they put on PATH."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging import checkout
from uvx_policy import locate

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the launcher is for Linux"
)

REAL = '#!/bin/sh\necho "real:$0:$*"\n'


class Installation:
    """The package in a directory of its own, a home, and a real uv on PATH."""

    def __init__(self, root: Path, package: Path) -> None:
        self.package = package
        self.home = root / "me"
        self.real = root / "real"
        self.shims = self.home / ".local/share/linkpolicy/shims"
        self.cwd = root / "somewhere"
        for directory in (self.home, self.real, self.cwd):
            directory.mkdir()
        for program in ("uv", "uvx"):
            self.replace(self.real / program, REAL)
        self.environ = {
            "HOME": str(self.home),
            "PATH": f"{self.shims}:{self.real}:/usr/bin:/bin",
        }

    def replace(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def linkpolicy(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "uvx_policy.cli", *words],
            env=self.environ | {"PYTHONPATH": str(self.package)},
            cwd=self.cwd, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def setup(self, *words: str) -> list[str]:
        done = self.linkpolicy("setup", "--shell", "sh", *words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    def uv(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.shims / "uv", *words],
            env=self.environ | changes, cwd=self.cwd, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def kind(self) -> str:
        (start,) = {(self.shims / program).read_bytes()[:4] for program in ("uv", "uvx")}
        return "native" if start == b"\x7fELF" else "Python" if start[:2] == b"#!" else "?"

    def below_home(self) -> dict[str, tuple[int, int]]:
        """Every path below the home, with inode and time of the last change."""
        return {
            str(path.relative_to(self.home)): (path.lstat().st_ino, path.lstat().st_mtime_ns)
            for path in self.home.rglob("*")
        }


def installed(wheel: Path, target: Path) -> Path:
    """As pip installs it, which is done once for each wheel."""
    whole = wheel.parent / "installed"
    if not whole.exists():
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
             "--disable-pip-version-check", "--target", whole, wheel],
            check=True,
        )  # fmt: skip
    return shutil.copytree(whole, target, symlinks=True)


@pytest.fixture
def machine(wheel: Path, tmp_path: Path) -> Installation:
    """A machine where the wheel with the native launcher was installed."""
    return Installation(tmp_path, installed(wheel, tmp_path / "site"))


@pytest.fixture(scope="session")
def pure_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built without a compiler."""
    root = tmp_path_factory.mktemp("pure")
    tree = checkout.copy(root / "tree")
    built = checkout.build(tree, "wheel", root / "dist", checkout.environ(CC="false"))
    assert built.code == 0
    return built.made


def test_setup_takes_the_native_launcher_and_it_starts_uv(machine: Installation) -> None:
    lines = machine.setup()

    assert "launcher: native" in lines
    assert machine.kind() == "native"
    done = machine.uv("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"real:{machine.real}/uv:--version\n"


def test_the_native_shim_starts_uv_without_python(machine: Installation) -> None:
    machine.setup()
    machine.replace(machine.shims / ".linkpolicy/uv", '#!/bin/sh\necho "fallback:$0:$*"\n')

    assert machine.uv("--version").stdout == f"real:{machine.real}/uv:--version\n"
    assert machine.uv("--version", LINKPOLICY_LOG="debug").stdout == (
        f"fallback:{machine.shims}/.linkpolicy/uv:--version\n"
    )


def test_the_fallback_starts_uv_and_speaks_of_the_shim_on_path(machine: Installation) -> None:
    machine.setup()

    done = machine.uv("--version", LINKPOLICY_LOG="debug")
    assert done.stdout == f"real:{machine.real}/uv:--version\n"

    for program in ("uv", "uvx"):
        (machine.real / program).unlink()
    # The uv beside our own Python would be found after PATH.
    fallback = machine.shims / ".linkpolicy/uv"
    embedded = repr(locate.embedded_directories())
    assert embedded in fallback.read_text()
    machine.replace(fallback, fallback.read_text().replace(embedded, "[]"))

    done = machine.uv("sync", LINKPOLICY_LOG="debug")

    assert (done.returncode, done.stdout) == (127, "")
    assert f"but this shim (`{machine.shims}/uv`)" in done.stderr


def test_native_shims_elsewhere_on_path_are_no_real_uv(
    machine: Installation, tmp_path: Path
) -> None:
    machine.setup()
    shim = machine.shims / "uv"
    for name in ("link", "hard link", "copy"):
        other = tmp_path / name / "uv"
        other.parent.mkdir()
        if name == "link":
            other.symlink_to(shim)
        elif name == "hard link":
            other.hardlink_to(shim)
        else:
            shutil.copy2(shim, other)
        machine.environ["PATH"] = f"{other.parent}:{machine.environ['PATH']}"
    machine.environ["PATH"] = f"{machine.shims}:{machine.environ['PATH']}"

    for launcher in ("native", "python"):
        machine.setup("--launcher", launcher)
        assert machine.uv("--version").stdout == f"real:{machine.real}/uv:--version\n"
        assert machine.uv("sync").stdout == f"real:{machine.real}/uv:sync\n"


def test_without_the_package_a_native_shim_still_starts_uv(machine: Installation) -> None:
    machine.setup()
    (machine.package / "uvx_policy").rename(machine.package / "gone")

    done = machine.uv("sync")

    assert (done.returncode, done.stdout) == (0, f"real:{machine.real}/uv:sync\n")


def test_without_its_fallback_a_native_shim_still_starts_uv(machine: Installation) -> None:
    machine.setup()
    (machine.shims / ".linkpolicy/uv").unlink()

    done = machine.uv("sync")

    assert (done.returncode, done.stdout) == (0, f"real:{machine.real}/uv:sync\n")


def test_a_second_setup_changes_nothing(machine: Installation) -> None:
    machine.setup()
    before = machine.below_home()

    lines = machine.setup()

    assert lines[0].startswith("Nothing to do: ")
    assert lines[1] == "launcher: native"
    assert machine.below_home() == before


def test_there_and_back_and_nothing_is_left(machine: Installation) -> None:
    for launcher, kind in (("python", "Python"), ("native", "native"), ("python", "Python")):
        assert f"launcher: {kind}" in machine.setup("--launcher", launcher)
        assert machine.kind() == kind
        assert (machine.shims / ".linkpolicy/uv").exists() == (kind == "native")
        assert machine.uv("--version").stdout == f"real:{machine.real}/uv:--version\n"
    machine.setup("--launcher", "native")

    done = machine.linkpolicy("uninstall")

    assert done.returncode == 0
    assert machine.below_home() == {}


def test_the_dry_run_changes_nothing(machine: Installation) -> None:
    lines = machine.setup("--dry-run")

    assert "launcher: native" in lines
    assert machine.below_home() == {}


def test_a_running_shim_is_replaced(machine: Installation) -> None:
    """Its text is busy: only a new file of the same name is possible."""
    machine.setup()
    with (machine.shims / "uv").open("rb") as busy:
        before = busy.read()
        machine.setup("--launcher", "python")
        busy.seek(0)
        assert busy.read() == before

    assert machine.kind() == "Python"


def test_a_launcher_that_cannot_run_here_gives_way(machine: Installation) -> None:
    launcher = machine.package / checkout.LAUNCHER
    launcher.write_bytes(launcher.read_bytes()[:4000])

    (said,) = [line for line in machine.setup() if line.startswith("launcher: ")]

    assert said.startswith("launcher: Python (the native launcher does not run here: ")
    assert machine.kind() == "Python"
    assert machine.uv("--version").stdout == f"real:{machine.real}/uv:--version\n"


def test_a_wheel_without_a_launcher_gives_python_shims(pure_wheel: Path, tmp_path: Path) -> None:
    machine = Installation(tmp_path, installed(pure_wheel, tmp_path / "site"))

    refused = machine.linkpolicy("setup", "--shell", "sh", "--launcher", "native")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no native launcher in this installation" in refused.stderr
    assert machine.below_home() == {}

    assert (
        "launcher: Python (no native launcher in this installation:"
        " it was built without a C compiler)" in machine.setup()
    )
    assert machine.kind() == "Python"
    assert machine.uv("--version").stdout == f"real:{machine.real}/uv:--version\n"
    machine.linkpolicy("uninstall")
    assert machine.below_home() == {}


def test_after_an_update_to_a_pure_wheel_setup_takes_the_native_shims_away(
    machine: Installation, pure_wheel: Path, tmp_path: Path
) -> None:
    machine.setup()
    machine.package = installed(pure_wheel, tmp_path / "newer")

    assert any(line.startswith("launcher: Python (") for line in machine.setup())

    assert machine.kind() == "Python"
    assert not (machine.shims / ".linkpolicy/uv").exists()


def test_the_marker_ends_a_native_shim(machine: Installation) -> None:
    machine.setup()

    content = (machine.shims / "uv").read_bytes()

    assert content.endswith(b"\n" + locate.MARKER + b"\n")
    assert locate.MARKER not in content[:1024]


def test_the_real_uv_behind_a_native_shim(machine: Installation, newest_uv: Path) -> None:
    machine.setup()
    machine.environ["PATH"] = f"{machine.shims}:{newest_uv.parent}:/usr/bin:/bin"
    direct = subprocess.run(
        [newest_uv, "--version"], capture_output=True, text=True, check=True
    ).stdout

    assert machine.uv("--version").stdout == direct
    done = machine.uv("venv", "--quiet", "new")
    assert (done.returncode, done.stderr) == (0, "")
    assert (machine.cwd / "new/pyvenv.cfg").exists()
