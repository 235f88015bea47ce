"""The launchers of the wheels repeat records: on other processors, and with no system around them.

The processors are qemu's (user mode). What stands for uv is a program of this machine: it is what
the launcher becomes, and not what is tried.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launcher import programs
from tests.launcher.conftest import EDITS, Scene, Seen, guard_of, seen_in, without_guard
from tests.ordinary_user import only_root
from tests.packaging.checkout import extract_launcher
from tests.release import making
from tests.shim import conftest as shim_conftest
from uvx_policy.edits import Edits
from uvx_policy.replay import key, records
from uvx_policy.replay.witness import Witnesses, look
from uvx_policy.setup import launcher as installed_launcher
from uvx_policy.state import files as state_files
from uvx_policy.state import layout
from uvx_policy.uv.invocation import parse

EMULATORS = {
    "aarch64": "qemu-aarch64",
    "armv7l": "qemu-arm",
    "i686": "qemu-i386",
    "riscv64": "qemu-riscv64",
}
WORDS = ("venv", "--python", "3.12", "here")
#: after the last second that 32 bits can hold
LATE = 2**31 + 12345
#: more bytes than 32 bits can hold
LARGE = 2**32 + 7


def launcher(released: Path, architecture: str, into: Path) -> Path:
    return extract_launcher(making.wheel(released, *making.LINUX[architecture]), into)


@pytest.fixture(params=["x86_64", *EMULATORS])
def scene(request: pytest.FixtureRequest, released: Path, tmp_path: Path) -> Scene:
    """The launcher of one wheel, installed, before the stand-in for uv."""
    architecture: str = request.param
    (tmp_path / "base").mkdir()
    made = Scene(tmp_path / "base", launcher(released, architecture, tmp_path / "wheel"))
    if architecture in EMULATORS:
        emulator = shutil.which(EMULATORS[architecture])
        if emulator is None:
            programs.missing(f"{EMULATORS[architecture]} (the package qemu-user)")
        made.before = (emulator,)
    return made


def test_a_record_that_holds_is_replayed(scene: Scene) -> None:
    scene.environ |= {"UV_CACHE_DIR": "/before", "ODD": "\udcff\n"}
    scene.record("uv", *WORDS)

    seen = scene.outcome("uv", *WORDS)

    assert not seen.handed_over
    assert seen.words == (b"uv", *map(os.fsencode, WORDS), b"/behind the link")
    expected = [f"{name}={value}" for name, value in (scene.environ | EDITS.variables).items()]
    # qemu turns their order around; tests/launcher has it exactly.
    assert sorted(without_guard(seen.environ)) == sorted(map(os.fsencode, expected))
    left = guard_of(seen)
    assert left is not None
    assert left.tried == (str(scene.uv),)


def test_numbers_of_more_than_32_bits_are_seen_whole(scene: Scene) -> None:
    witness = scene.base / "witness"
    with witness.open("wb") as stream:
        stream.truncate(LARGE)
    os.utime(witness, ns=(LATE * 10**9 + 1, LATE * 10**9 + 1))
    time.sleep(0.1)  # its last change is then old enough to be a witness
    scene.record("uv", *WORDS, witnesses=[("s", witness)])

    assert not scene.outcome("uv", *WORDS).handed_over

    os.utime(witness, ns=(LATE * 10**9 + 2, LATE * 10**9 + 2))
    assert scene.outcome("uv", *WORDS).handed_over


@pytest.mark.parametrize("change", [Path.touch, Path.unlink])
def test_a_witness_that_changes_is_seen(scene: Scene, change: Callable[[Path], None]) -> None:
    witness = scene.base / "pyproject.toml"
    witness.write_text("[project]\n")
    time.sleep(0.1)
    scene.record("uv", *WORDS, witnesses=[("s", witness), ("c", witness)])
    assert not scene.outcome("uv", *WORDS).handed_over

    change(witness)

    seen = scene.outcome("uv", *WORDS)
    assert seen.handed_over
    assert seen.words[1:] == tuple(map(os.fsencode, WORDS))


def test_a_text_of_each_length_has_pythons_fingerprint(scene: Scene) -> None:
    """The sum is made of seven bytes at once, and of 64-bit products."""
    texts = [scene.base / f"text{length}" for length in (*range(16), 4095, 70_001)]
    for path in texts:
        path.write_bytes(bytes(200 + n % 50 for n in range(int(path.name[4:]))))
    time.sleep(0.1)
    scene.record("uv", *WORDS, witnesses=[("c", path) for path in texts])

    assert not scene.outcome("uv", *WORDS).handed_over


def test_what_is_left_alone_and_what_is_unknown(scene: Scene) -> None:
    assert not scene.outcome("uv", "help").handed_over
    assert not scene.outcome("uvx", "help").handed_over
    assert scene.outcome("uv", "sync").handed_over


# --- with nothing around it -----------------------------------------------------------------------

#: paths in the root directory of these tests
UV, SHIM, FALLBACK = "/real/uv", "/shims/uv", "/shims/.linkpolicy/uv"
ENVIRON = {"HOME": "/home", "PATH": "/shims:/real", "RECORD_TO": "/record"}
MUSL = Path("/lib/ld-musl-x86_64.so.1")


@pytest.fixture
def top(released: Path, tmp_path: Path) -> Path:
    """A directory to be a root directory, with nothing but the launcher of x86-64 and a home."""
    if platform.machine() != "x86_64":
        pytest.skip("the launcher of x86-64, without an emulator")
    made = tmp_path / "top"
    for name in ("home", "cwd", "real", "shims/.linkpolicy"):
        (made / name).mkdir(parents=True)
    content = installed_launcher.configured(
        launcher(released, "x86_64", tmp_path / "wheel").read_bytes(),
        program="uv", fallback=FALLBACK, embedded=[],
    )  # fmt: skip
    (made / SHIM[1:]).write_bytes(content)
    (made / SHIM[1:]).chmod(0o755)
    return made


def put_stand_ins(top: Path, *flags: str) -> None:
    """For uv and for the Python shim, as musl's compiler makes them."""
    for path, source in ((UV, shim_conftest.SOURCE), (FALLBACK, programs.HERE / "fallback.c")):
        binary = programs.compile_c(source, ("-O1", *flags), "musl-gcc")
        shutil.copy(binary, top / path[1:])


def record(top: Path, words: tuple[str, ...], edits: Edits) -> None:
    """Record a decision as Python would in there, had it been there."""
    state = layout.state_home(ENVIRON, "linux")
    collected = Witnesses(time.time_ns())
    inside = os.path.join(top, UV[1:])
    collected.add("s", UV, look("s", inside))
    of_key = key.make_key(
        "uv",
        UV,
        parse("uv", words).significant,
        cwd="/cwd",
        user=str(os.geteuid()),
        environ=ENVIRON,
    )
    state_files.write(
        os.path.join(top, state[1:]), layout.DECISIONS, records.file_name(of_key),
        records.render(of_key, edits, collected),
    )  # fmt: skip


def run_inside(top: Path, *words: str) -> subprocess.CompletedProcess[str]:
    def enter() -> None:
        os.chroot(top)
        os.chdir("/cwd")

    return subprocess.run(
        [SHIM, *words], env=ENVIRON, preexec_fn=enter, capture_output=True, text=True, check=False
    )


def seen_inside(top: Path, *words: str) -> Seen:
    done = run_inside(top, *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return seen_in(top / "record")


@only_root
def test_in_an_empty_root_directory_a_record_is_replayed(top: Path) -> None:
    put_stand_ins(top, "-static")
    assert {path.name for path in top.iterdir()} == {"home", "cwd", "real", "shims"}
    record(top, WORDS, EDITS)

    seen = seen_inside(top, *WORDS)

    assert not seen.handed_over
    assert seen.variables()[b"UV_CACHE_DIR"] == os.fsencode(EDITS.variables["UV_CACHE_DIR"])
    assert seen.words[-1:] == (b"/behind the link",)
    (top / UV[1:]).touch()
    assert seen_inside(top, *WORDS).handed_over
    (top / FALLBACK[1:]).unlink()
    assert not seen_inside(top, *WORDS).handed_over  # uv without policy


@only_root
def test_in_a_root_directory_of_musl_a_record_is_replayed(top: Path) -> None:
    """As in Alpine Linux: musl is the C library, and there is no other."""
    if not MUSL.exists():
        programs.missing("musl (the package of that name)")
    put_stand_ins(top)
    (top / "lib").mkdir()
    shutil.copy(MUSL.resolve(), top / MUSL.relative_to("/"))
    record(top, WORDS, EDITS)

    seen = seen_inside(top, *WORDS)

    assert not seen.handed_over
    assert seen.variables()[b"UV_CACHE_DIR"] == os.fsencode(EDITS.variables["UV_CACHE_DIR"])


@only_root
def test_in_an_empty_root_directory_the_uv_of_musl_gets_the_policy(top: Path) -> None:
    """The real one, which is static, too."""
    words = ("sync", "--show-settings")
    wheels = top.parent / "uv"
    making.run(
        "python", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
        "--platform", "musllinux_1_1_x86_64", "--dest", wheels, "uv",
    )  # fmt: skip
    with zipfile.ZipFile(next(wheels.iterdir())) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/scripts/uv")]
        (top / UV[1:]).write_bytes(archive.read(name))
    (top / UV[1:]).chmod(0o755)
    (top / "cwd/pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\n')
    record(top, words, Edits(variables={"UV_CACHE_DIR": "/home/of the policy"}))

    told = run_inside(top, *words)

    assert told.returncode == 0, told.stderr
    assert "/home/of the policy" in told.stdout
