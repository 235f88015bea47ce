"""Who starts the shim with another PATH than the terminal's, or as another user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import real_uv, sandbox
from tests.ordinary_user import UID, as_user
from tests.uv.world import NAME, build_wheel
from uvx_policy.setup import launcher as setup_launcher

pytestmark = pytest.mark.uv

MINIMAL = "/usr/bin:/bin"
LAUNCHERS = [
    pytest.param(
        "native",
        marks=pytest.mark.skipif(not os.path.exists(setup_launcher.compiled()), reason="not built"),
    ),
    "python",
]


@pytest.fixture(scope="session")
def pipx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pipx from the package index, in an environment of its own."""
    environment = tmp_path_factory.mktemp("pipx")
    venv.create(environment, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin/python")]
    # With a `rustc` on PATH pip asks for its version, and rustup writes into HOME.
    path = {**os.environ, "PATH": MINIMAL}
    subprocess.run([*pip, "install", "--quiet", "pipx"], env=path, check=True)
    return environment / "bin/pipx"


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_pipx_finds_uv_through_the_shim_alone(pipx: Path, tmp_path: Path, launcher: str) -> None:
    home = tmp_path / "home"
    (home / ".local").mkdir(parents=True)
    (home / ".local/uv").symlink_to(real_uv.provide("newest"))
    shims = home / "shims"
    environ = {
        **{name: value for name, value in os.environ.items() if name.endswith("_PROXY")},
        "HOME": str(home),
        "PATH": f"{home}/.local/uv:{MINIMAL}",
        "PIPX_HOME": str(home / "pipx"),
        "PIPX_BIN_DIR": str(home / "bin"),
        "UV_OFFLINE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }

    def run(*words: str | Path, path: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, env={**environ, "PATH": path}, capture_output=True, text=True, check=False
        )

    linkpolicy = sandbox.linkpolicy()
    setup = (*linkpolicy, "setup", "--no-modify-path", "--launcher", launcher)
    done = run(*setup, "--shim-dir", shims, path=environ["PATH"])
    assert done.returncode == 0, done.stderr

    words = ("install", "--backend", "uv", "--python", sys.executable)
    done = run(pipx, *words, build_wheel(tmp_path / "wheels"), path=f"{shims}:{MINIMAL}")

    assert done.returncode == 0, done.stderr
    assert run(home / f"bin/{NAME}-tool", path=MINIMAL).stdout == "tool\n"
    assert "uv = " in (home / f"pipx/venvs/{NAME}/pyvenv.cfg").read_text()


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that every user can look into, unlike pytest's."""
    made = Path(tempfile.mkdtemp(prefix="linkpolicy-public-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_root_s_shims_are_everybody_s_and_well(public: Path, launcher: str) -> None:
    """Also for the doctor; the records of decisions are each user's own."""
    as_user([])  # skips where nobody can become another user
    linkpolicy, shims, home = sandbox.linkpolicy(sandbox.PYTHON), public / "shims", public / "me"
    home.mkdir()
    os.chown(home, UID, UID)
    path = f"{real_uv.provide('newest')}:{MINIMAL}"
    environ = {"HOME": str(public / "root"), "PATH": path, "UV_PYTHON_DOWNLOADS": "never"}
    (public / "root").mkdir(mode=0o700)
    setup = (*linkpolicy, "setup", "--no-modify-path", "--launcher", launcher)
    subprocess.run([*setup, "--shim-dir", shims], env=environ, capture_output=True, check=True)
    environ |= {"HOME": str(home), "PATH": f"{shims}:{path}"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            as_user(words), env=environ, cwd=home, capture_output=True, text=True, check=False
        )

    assert run("uv", "venv", "-q", "-p", sandbox.PYTHON).returncode == 0
    told = json.loads(run(*linkpolicy, "doctor", "--json", "installation").stdout)

    assert {each["status"] for each in told["findings"]} <= {"pass", "skip"}
    assert {each["id"]: each["status"] for each in told["findings"]}["shims-private"] == "pass"
    records = list((home / ".local/state/linkpolicy/decisions").iterdir())
    assert [record.stat().st_uid for record in records] == [UID]
    assert not (public / "root/.local/state/linkpolicy/decisions").exists()

    shims.chmod(0o777)
    told = json.loads(run(*linkpolicy, "doctor", "--json", "shims-private").stdout)
    assert [each["status"] for each in told["findings"]] == ["fail"]
