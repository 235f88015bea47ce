"""What is mounted elsewhere causes no miss; what is mounted where a decision looks always does."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests import mounts
from tests.replay.machine import (
    Call,
    Machine,
    as_given,
    make_environment,
    put,
    wait_for_tick,
)
from tests.replay.scenarios import PROJECT, SCENARIOS
from uvx_policy.host import Host
from uvx_policy.replay import recording, records, witness
from uvx_policy.replay.witness import look

pytestmark = pytest.mark.usefixtures("patient")


def recorded(machine: Machine, call: Call) -> object:
    """Decide and record a call; give what is replayed from then on, in both ways."""
    wait_for_tick()
    decided = machine.decide(call)
    machine.in_python(call)
    assert is_replayed(machine, call), machine.plan(call).witnesses.spoilt
    assert machine.in_native(call) == (decided, True)
    return decided


def is_replayed(machine: Machine, call: Call) -> bool:
    """In both ways, or in none."""
    hit = records.replay(machine.state, machine.key_of(call)) is not None
    native, native_hit = machine.in_native(call)
    assert native_hit is hit
    assert hit or native == as_given(call)
    return hit


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_is_mounted_elsewhere_causes_no_miss(
    scenario: str, there: Path, tmp_path: Path, own_mounts: None
) -> None:
    """As of a container that starts, or a stick: mounted, mounted otherwise, unmounted."""
    del own_mounts  # after `there`, which is a mount
    machine = Machine(tmp_path / "machine")
    call = SCENARIOS[scenario].build(machine, there)
    point, bound = tmp_path / "stick", tmp_path / "bound"
    for made in (point, bound):
        made.mkdir()
    recorded(machine, call)

    for _ in range(3):
        with mounts.tmpfs(str(point)):
            assert is_replayed(machine, call)
            with mounts.bound(str(there), str(bound)):
                mounts.remount(str(point), read_only=True, noexec=True)
                assert is_replayed(machine, call)
        assert is_replayed(machine, call)


# Where a decision looks --------------------------------------------------------------------------


class Places:
    """A project with an environment and uv's own cache, on one file system."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.cache = machine.home / ".cache/uv"
        self.environment = machine.project / ".venv"
        put(machine.project / "pyproject.toml", PROJECT)
        make_environment(self.environment)
        (self.cache / "archive-v0").mkdir(parents=True)
        self.call = machine.call("sync")

    def at(self, place: str) -> str:
        """The directory of that name."""
        names = {
            "project": self.machine.project, "environment": self.environment,
            "packages": self.environment / "lib/python3.12/site-packages",
            "cache": self.cache, "above the cache": self.cache.parent,
            "above all": self.machine.base,
        }  # fmt: skip
        return str(names[place])


PLACES = ("project", "environment", "packages", "cache", "above the cache", "above all")


@pytest.fixture
def places(here: Machine, own_mounts: None) -> Places:  # noqa: ARG001
    """See `Places`."""
    return Places(here)


@pytest.mark.parametrize("place", PLACES)
def test_the_same_directory_mounted_over_itself_causes_a_miss(places: Places, place: str) -> None:
    """Device, inode and all in it stay the same; only the mount does not."""
    before = recorded(places.machine, places.call)
    path = places.at(place)
    told = os.stat(path)

    mounts.bind(path, path, recursive=True)

    assert (os.stat(path).st_dev, os.stat(path).st_ino) == (told.st_dev, told.st_ino)
    assert not is_replayed(places.machine, places.call)
    after = recorded(places.machine, places.call)
    # From one mount into another no link works.
    assert (after != before) is (place != "above all")
    mounts.unmount(path)
    assert recorded(places.machine, places.call) == before


# Not noexec above all: uv itself lies there.
@pytest.mark.parametrize(
    ("place", "how"),
    [*((place, "read_only") for place in PLACES), *((place, "noexec") for place in PLACES[:-1])],
)
def test_a_mount_that_is_mounted_otherwise_causes_a_miss(
    places: Places, place: str, how: str
) -> None:
    """The id of the mount stays the same."""
    path = places.at(place)
    mounts.bind(path, path, recursive=True)
    recorded(places.machine, places.call)
    identity = look("m", path)
    mounts.remount(path, **{how: True})

    assert look("m", path) == identity
    assert not is_replayed(places.machine, places.call)
    mounts.remount(path)
    assert is_replayed(places.machine, places.call)


@pytest.mark.parametrize("scenario", ["sync_on_another_device"])
def test_a_device_cache_that_becomes_noexec_is_left(
    scenario: str, there: Path, here: Machine, own_mounts: None
) -> None:
    """And is taken again: only the options of the mount differ."""
    del own_mounts  # after `there`, which is a mount
    call = SCENARIOS[scenario].build(here, there)
    before = recorded(here, call)
    identity = look("m", str(there))

    mounts.remount(str(there), noexec=True)

    assert look("m", str(there)) == identity
    assert not is_replayed(here, call)
    assert str(there) not in str(recorded(here, call)).replace(call.cwd, "")
    mounts.remount(str(there))
    assert recorded(here, call) == before


@pytest.mark.parametrize("scenario", ["sync_with_a_chosen_cache"])
def test_a_chosen_cache_on_a_mount_of_its_own_that_is_no_longer_noexec(
    scenario: str, there: Path, here: Machine, own_mounts: None
) -> None:
    """It was refused for that, so nothing else on that mount was looked at."""
    del own_mounts  # after `there`, which is a mount
    call = SCENARIOS[scenario].build(here, there)
    chosen = str(there / "chosen")
    mounts.bind(chosen, chosen)
    mounts.remount(chosen, noexec=True)
    recorded(here, call)
    assert (f"{there}/link", f"`{chosen}` is mounted noexec") in here.plan(call).rejected

    mounts.remount(chosen)

    assert not is_replayed(here, call)


def test_a_mount_that_another_one_follows_causes_a_miss(places: Places) -> None:
    """Unmounted and mounted again: the kernel uses its id again, and nothing else differs."""
    path = places.at("packages")
    mounts.bind(path, path)
    recorded(places.machine, places.call)

    for _ in range(5):
        mounts.unmount(path)
        mounts.bind(path, path)
        assert not is_replayed(places.machine, places.call)


def test_what_is_mounted_below_what_is_looked_at_causes_no_miss(places: Places) -> None:
    recorded(places.machine, places.call)
    below = Path(places.at("packages"), "package")
    below.mkdir()

    with mounts.tmpfs(str(below)), mounts.tmpfs(str(places.cache / "archive-v0")):
        assert is_replayed(places.machine, places.call)


def test_a_cache_that_is_mounted_later_is_seen(places: Places) -> None:
    """`cache-is-mount-point`, also when it is the directory above."""
    machine, call = places.machine, places.call
    for path in (places.cache, places.cache.parent):
        recorded(machine, call)
        with mounts.tmpfs(str(path)):
            places.cache.mkdir(exist_ok=True)
            assert not is_replayed(machine, call)
            recorded(machine, call)
            assert machine.plan(call).outcome.cache_dir.code == "cache-is-mount-point"
        assert not is_replayed(machine, call)


def test_a_mount_that_comes_during_the_decision_keeps_it_from_being_recorded(
    places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The table was read before, and the id could be another mount's by then."""
    ask = Host.mount_id

    def ask_late(host: Host, path: str) -> int | None:
        mounts.mount_tmpfs(str(tmp_path / "late"))
        monkeypatch.setattr(Host, "mount_id", ask)
        return ask(host, path)

    (tmp_path / "late").mkdir()
    wait_for_tick()
    places.machine.decide(places.call)
    monkeypatch.setattr(Host, "mount_id", ask_late)

    places.machine.in_python(places.call)

    assert not is_replayed(places.machine, places.call)
    recorded(places.machine, places.call)


# Another disk at the same place ------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path, own_mounts: None) -> Iterator[Callable[[str], Path]]:
    """Make an XFS (`reflink=0` or `=1`) on one and the same loop device, mounted at one place."""
    del own_mounts
    image, point = tmp_path / "image", tmp_path / "disk"
    with image.open("xb") as stream:
        stream.truncate(400 * 1024**2)
    point.mkdir()
    told = subprocess.run(
        ["losetup", "--find", "--show", str(image)], check=True, capture_output=True, text=True
    )
    device, uuid = told.stdout.strip(), uuid4()

    def make(options: str) -> Path:
        if os.path.ismount(point):
            subprocess.run(["umount", str(point)], check=True)
        words = ["mkfs.xfs", "-q", "-f", "-m", f"{options},uuid={uuid}", device]
        subprocess.run(words, check=True, capture_output=True)
        mounts.mount_disk(device, str(point), "xfs")
        return point

    try:
        yield make
    finally:
        with contextlib.suppress(OSError):
            mounts.unmount(str(point))
        subprocess.run(["losetup", "--detach", device], check=True)


#: what the kernel tells of a mount: all; an id that it uses again, here always the same; none
KERNELS: dict[str, int] = {"6.8": 0xFFFF, "5.8": 0xFFFF & ~0x4000, "before": 0xFFFF & ~0x5000}
#: and these file systems keep no time of birth
WITHOUT_BIRTH = {f"{name}, no birth": mask & ~0x800 for name, mask in KERNELS.items()}


def _as_on(mask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Python see what an older kernel would say."""
    ask = witness.statx

    def answer(path: str | bytes) -> bytes | None:
        told = ask(path)
        if told is None or mask & 0x4000:
            return told
        # Which gives its id that is used again only where it was not asked for the other one.
        given = (int.from_bytes(told[:4], sys.byteorder) | 0x1000) & mask
        number = struct.pack("=Q", 77)
        return struct.pack("=I", given) + told[4:144] + number + told[152:]

    monkeypatch.setattr(witness, "statx", answer)


@pytest.mark.parametrize("kernel", [*KERNELS, *WITHOUT_BIRTH])
def test_another_disk_at_the_same_place_is_another_one(
    here: Machine,
    disk: Callable[[str], Path],
    kernel: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Device, f_fsid, inodes, even the UUID: all that a disk is known by is the same."""
    _as_on((KERNELS | WITHOUT_BIRTH)[kernel], monkeypatch)
    seen = []
    decided = []
    for options in ("reflink=1", "reflink=0"):
        there = disk(options)
        put(there / "project/pyproject.toml", PROJECT)
        make_environment(there / "project/.venv")
        (there / "cache/uv").mkdir(parents=True)
        call = here.call("sync", cwd=there / "project", XDG_CACHE_HOME=str(there / "cache"))
        directories = [there, there / "cache/uv", there / "project"]
        seen.append([(look("s", str(path)), look("v", str(path))) for path in directories])
        assert records.replay(here.state, here.key_of(call)) is None
        if kernel == "6.8":
            assert here.in_native(call) == (as_given(call), False)
        wait_for_tick()
        here.in_python(call)
        here.in_python(call)  # without births: trying what links changes directories once
        decided.append(here.in_python(call))
        assert decided[-1][1], here.plan(call).witnesses.spoilt

    # Otherwise nothing would be shown.
    assert seen[0] == seen[1]
    assert "UV_LINK_MODE': 'clone'" in str(decided[0])
    assert "UV_LINK_MODE': 'hardlink'" in str(decided[1])


@pytest.mark.parametrize("kernel", KERNELS)
def test_where_mounts_have_no_id_the_whole_table_counts(
    places: Places, tmp_path: Path, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _as_on(KERNELS[kernel], monkeypatch)
    machine, call = places.machine, places.call
    wait_for_tick()
    machine.in_python(call)
    assert machine.replays(call)

    (tmp_path / "elsewhere").mkdir()
    with mounts.tmpfs(str(tmp_path / "elsewhere")):
        assert machine.replays(call) is (kernel != "before")


# Where statx(2) is refused -----------------------------------------------------------------------

_REFUSED = """
import ctypes, os, struct, sys
number, code = int(sys.argv[1]), int(sys.argv[2])
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x50000 | code), (6, 0, 0, 0x7FFF0000)]
filters = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
program = ctypes.create_string_buffer(struct.pack("@HP", len(rules), ctypes.addressof(filters)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, program, 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
os.execv(sys.argv[3], sys.argv[3:])
"""
_NUMBERS = {"x86_64": 332, "aarch64": 291}


@pytest.mark.parametrize("code", [1, 38], ids=["EPERM", "ENOSYS"])
def test_where_statx_is_refused_nothing_is_replayed(places: Places, code: int) -> None:
    """As in a container of an older seccomp profile: a miss, and no wrong answer."""
    number = _NUMBERS.get(os.uname().machine)
    if number is None:
        pytest.skip("the number of statx is not known for this processor")
    machine, call = places.machine, places.call
    recorded(machine, call)
    script = machine.base / "refused.py"
    script.write_text(_REFUSED)
    command = [
        sys.executable,
        "-IS",
        str(script),
        str(number),
        str(code),
        str(machine.shims / "uv"),
    ]

    done = subprocess.run(
        [*command, *call.words], cwd=call.cwd, env=call.environ, capture_output=True, check=True
    )

    assert done.stdout.startswith(b"fallback\0")
    assert is_replayed(machine, call)


def test_where_statx_is_refused_nothing_is_recorded(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "statx", lambda _: None)
    wait_for_tick()

    assert [places.machine.replays(places.call) for _ in range(3)] == [False] * 3
    plan = places.machine.plan(places.call)
    reason, passing = recording.why_not(plan.state, b"key", plan.edits, plan.witnesses)
    assert "cannot be told from others" in reason
    assert not passing
