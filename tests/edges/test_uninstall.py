"""What `linkpolicy uninstall` forgets, what it leaves, and what it says of that."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from tests.edges.setup_home import Home, killed_at, without_directories
from tests.filesystems import FileSystems
from uvx_policy import cli
from uvx_policy.caches.measure import measure
from uvx_policy.machine.machine import Machine
from uvx_policy.setup.leftovers import Leftover, leftovers
from uvx_policy.setup.uninstall import carry_out_uninstall, plan_uninstall
from uvx_policy.state import files, layout, register
from uvx_policy.state.layout import STORES
from uvx_policy.state.register import Environment
from uvx_policy.terminal.command import command


@pytest.fixture
def home(isolation: Path) -> Home:
    return Home(isolation)


def state_of(home: Home) -> Path:
    return home.root / ".local/state/linkpolicy"


def fill(home: Home) -> None:
    """One file of each kind that is ever kept."""
    for store in STORES:
        if store.is_users:
            saved = state_of(home) / store.directory / "2026-01-01/pkg-1/pkg/a.py"
            files.make_private(str(saved.parent))
            saved.write_text("mine\n")
        else:
            files.write(str(state_of(home)), store, f"{store.prefix}1", b"content")


def uninstalls(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert cli.main(["uninstall", *options]) == 0
    return capsys.readouterr().out


def test_nothing_stays_in_the_state_directory_but_the_user_s_own_work(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.setup()
    fill(home)

    uninstalls(capsys)

    assert [path.name for path in state_of(home).iterdir()] == ["edits"]
    assert (state_of(home) / "edits/2026-01-01/pkg-1/pkg/a.py").read_text() == "mine\n"
    assert not home.shims.parent.exists()


def test_the_dry_run_names_all_of_it_and_changes_nothing(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.setup()
    fill(home)
    before = home.tree()

    told = uninstalls(capsys, "--dry-run")

    assert home.tree() == before
    for store in STORES:
        line = f"  delete  ~/.local/state/linkpolicy/{store.directory}/\n"
        assert (line in told) != store.is_users


def test_what_was_remembered_without_setup_is_forgotten_too(home: Home) -> None:
    register.remember(str(state_of(home)), Environment(path="/a", seen=int(time.time())))

    assert home.uninstall() == ["deleted  ~/.local/state/linkpolicy/environments/"]
    assert not state_of(home).exists()
    assert home.uninstall() == ["Nothing to do: nothing of linkpolicy was found."]


def test_strangers_and_what_is_behind_a_link_stay(home: Home) -> None:
    home.setup()
    (home.root / "documents").mkdir()
    (home.root / "documents/letter").write_text("mine\n")
    (state_of(home) / "decisions").symlink_to(home.root / "documents")
    (state_of(home) / "note").write_text("mine\n")
    (state_of(home) / "repairs").mkdir()

    lines = carry_out_uninstall(home.plan_uninstall())

    assert (home.root / "documents/letter").read_text() == "mine\n"
    assert sorted(os.listdir(state_of(home))) == ["decisions", "note"]
    for name in ("decisions", "note"):
        assert f"note: ~/.local/state/linkpolicy/{name} is not ours and stays" in lines


def test_what_cannot_be_deleted_is_told(home: Home) -> None:
    home.setup()
    (state_of(home) / "verified/directory").mkdir(parents=True)

    lines = carry_out_uninstall(home.plan_uninstall())

    assert not lines.complete
    told = f"cannot delete `{state_of(home)}/verified/directory`: "
    (line,) = [line for line in lines if told in line]
    assert line.startswith("left alone: ~/.local/state/linkpolicy/verified: ")


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # pytest-xdist
def test_killed_anywhere_it_can_be_repeated(tmp_path: Path) -> None:
    step, killed = 0, True
    while killed:
        home = Home(tmp_path / str(step))
        home.root.mkdir()
        home.setup()
        fill(home)

        killed = killed_at(step, lambda home=home: home.uninstall())  # type: ignore[misc]
        home.uninstall()

        # Which empty directories were there before, only the record knew.
        assert list(without_directories(home.tree())) == [
            ".local/state/linkpolicy/edits/2026-01-01/pkg-1/pkg/a.py"
        ]
        step += 1
    assert step > len(STORES)


# --- what stays, and how to be rid of it ----------------------------------------------------------


def test_saved_edits_are_named_with_a_command_that_removes_them(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.setup()
    fill(home)
    saved = state_of(home) / "edits"

    rehearsed, told = uninstalls(capsys, "--dry-run"), uninstalls(capsys)

    what = "(edits that `linkpolicy repair` saved, "
    assert f"\n  ~/.local/state/linkpolicy/edits  {what}" in told
    (command,) = [line for line in told.splitlines() if line.startswith("    rm ")]
    assert command in rehearsed
    assert saved.exists()
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert not saved.exists()


def test_a_cache_of_a_project_stays_and_is_named(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    project = home.root / "it's mine"
    cache = project / layout.PROJECT_CACHE
    cache.mkdir(parents=True)
    (project / "pyproject.toml").touch()
    (cache / "file").write_bytes(bytes(3_000_000))
    environment = Environment(
        path=f"{project}/.venv", project=str(project), cache=str(cache), seen=int(time.time())
    )
    register.remember(str(state_of(home)), environment)

    told = uninstalls(capsys)

    lines = told.splitlines()
    command = lines[lines.index("  ~/it's mine/.uv-cache  (uv cache, 3.0 MB)") + 1]
    assert shlex.split(command) == [
        "linkpolicy", "cache", "clean", "--cache-dir", str(cache)
    ]  # fmt: skip
    assert (cache / "file").exists()


@pytest.mark.filesystem
def test_caches_of_devices_and_of_the_settings_stay_and_uv_s_own_is_not_ours(
    home: Home, fs: FileSystems
) -> None:
    device = fs.ext4 / layout.device_cache_name(str(os.geteuid()))
    chosen = fs.btrfs / "chosen"
    uvs = home.root / ".cache/uv"
    for cache in (device, chosen, uvs):
        cache.mkdir(parents=True)
        (cache / "file").write_bytes(bytes(1000))
    config = Path(layout.config_home(home.environ, "linux")) / layout.CONFIG_FILE
    config.parent.mkdir(parents=True)
    config.write_text(f'[caches]\n"{fs.btrfs}" = "{chosen}"\n')
    register.remember(
        str(state_of(home)), Environment(path=f"{fs.ext4}/.venv", cache=str(uvs), seen=1)
    )

    found = {each.path for each in leftovers(Machine(environ=home.environ, cwd=str(home.root)))}

    assert {str(device), str(chosen)} <= found
    assert str(uvs) not in found


def test_a_cache_too_large_to_measure_at_once_is_told_as_at_least(home: Home) -> None:
    (home.root / "a/b").mkdir(parents=True)
    (home.root / "a/b/file").write_bytes(bytes(100_000))

    whole, nothing = measure(str(home.root)), measure(str(home.root), seconds=0)
    assert (whole.is_complete, nothing.is_complete) == (True, False)
    assert nothing.physical_bytes < 100_000 <= whole.physical_bytes

    stays = Leftover(
        path="/c", what="uv cache", bytes=2_000_000, is_complete=False, command=command("rm", "/c")
    )
    plan = plan_uninstall(environ=home.environ, shim_directory=None, stays=[stays])
    assert "  /c  (uv cache, at least 2.0 MB)\n    rm /c" in plan.render()
