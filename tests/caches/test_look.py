"""`linkpolicy cache list`, `size` and `dir`, on real file systems with a real uv."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.caches.machine import Machine
from tests.filesystems import FileSystems
from tests.test_docs import first_column, reference, section
from uvx_policy import cli
from uvx_policy.state import layout

pytestmark = [pytest.mark.uv, pytest.mark.filesystem]

NAME = layout.device_cache_name(str(os.geteuid()))


@pytest.fixture
def two(machine: Machine, disk: Path) -> Machine:
    """A cache on each of two file systems, an environment linked from each by the policy."""
    world = machine.world
    for directory in (world.base / "project", disk / "project"):
        world.uv("sync", cwd=world.project(directory))
    return machine


def test_the_list_has_the_caches_of_all_file_systems_and_their_environments(
    two: Machine, disk: Path
) -> None:
    done = two.linkpolicy("cache", "list", "--json")

    home, device = done.json["caches"]
    assert (done.code, done.err, done.json["schema"]) == (0, "", 1)
    assert (home["path"], home["origins"]) == (
        str(two.world.default_cache), ["uv's default", "environments"],
    )  # fmt: skip
    assert (device["path"], device["origins"]) == (
        str(disk / NAME), ["device cache", "environments"],
    )  # fmt: skip
    for cache, project in ((home, two.world.base), (device, disk)):
        assert [each["path"] for each in cache["environments"]] == [f"{project}/project/.venv"]
        assert (cache["file_system"], cache["owner"], cache["archives"]) == ("ext4", 0, 1)
        assert cache["shared_bytes"] >= 65536
        assert cache["last_used"] > 1e9
    assert (device["mode"], device["mount_point"]) == ("0700", str(disk))


def test_every_field_of_the_json_object_is_told_and_no_other(two: Machine) -> None:
    text = reference("cache-json")
    of_list, of_directory = (
        first_column(section(text, f"## cache {action} --json")) for action in ("list", "dir")
    )
    (cache, _) = two.linkpolicy("cache", "list", "--json").json["caches"]
    sizes = two.linkpolicy("cache", "size", "--json").json

    assert list(cache) == of_list
    assert list(two.linkpolicy("cache", "dir", "--json").json) == of_directory
    for each in (*cache["environments"], {"pid": 0, "command": ""}):
        assert [name for name in each if f"`{name}`" not in text] == []
    assert sizes["schema"] == 1
    assert [name for name in sizes["total"] if name not in of_list] == []
    assert sizes["caches"][0] == {"path": cache["path"], **sizes["total"], **sizes["caches"][0]}


def test_the_list_for_people(two: Machine, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    done = two.linkpolicy("cache", "list")

    (row,) = [line for line in done.out.splitlines() if f"{disk / NAME} " in line]
    assert re.search(
        rf"ext4 +{disk} +/dev/loop\d+ +root +0700 .* kB .* kB +1 +just now +1$", row.rstrip()
    )
    assert "~/.cache/uv (here)" in done.out
    assert two.linkpolicy("cache").out == done.out


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("words", [("list",), ("size",)])
def test_no_line_is_wider_than_the_terminal(
    two: Machine, monkeypatch: pytest.MonkeyPatch, width: int, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))

    done = two.linkpolicy("cache", *words)

    table = [line for line in done.out.splitlines() if "  " in line]
    assert table
    assert max(map(len, table)) <= width
    assert "\x1b" not in done.out


def test_in_a_pipe_no_path_is_broken(two: Machine, disk: Path) -> None:
    for action in ("list", "size"):
        assert str(disk / NAME) in two.linkpolicy("cache", action).out


def test_sizes_add_up(two: Machine) -> None:
    told = two.linkpolicy("cache", "size", "--json").json

    assert len(told["caches"]) == 2
    for name in ("logical_bytes", "physical_bytes", "shared_bytes"):
        assert told["total"][name] == sum(cache[name] for cache in told["caches"]) > 0
    assert told["total"]["shared_bytes_exact"] is True
    assert "2 caches" in two.linkpolicy("cache", "size").out


def test_clones_are_found_out_by_size(
    machine: Machine, fs: FileSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = fs.btrfs / NAME
    machine.environment(fs.btrfs / "env", cache, mode="clone")
    subprocess.run(["sync", "-f", str(cache)], check=True)
    monkeypatch.setenv("UV_CACHE_DIR", str(cache))

    (told,) = machine.linkpolicy("cache", "size", "--json").json["caches"]

    assert told["shared_bytes"] >= 65536
    assert told["shared_bytes_exact"]


def test_without_any_cache(machine: Machine) -> None:
    listed, sized = (machine.linkpolicy("cache", action) for action in ("list", "size"))

    assert listed.out == "absent  ~/.cache/uv: does not exist (uv's default)\n"
    assert sized.out == "There is no cache yet.\n"
    assert (listed.code, sized.code) == (0, 0)
    assert machine.linkpolicy("cache", "list", "--json").json["caches"][0]["exists"] is False
    assert not machine.world.default_cache.exists()


def test_the_directory_here_is_that_of_the_decision(
    two: Machine, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for directory, cache in (
        (disk / "project", disk / NAME),
        (two.world.base / "project", two.world.default_cache),
        (two.world.base, two.world.default_cache),  # no project: uv is left alone
    ):
        monkeypatch.chdir(directory)
        done = two.linkpolicy("cache", "dir")
        assert (done.code, done.out, done.err) == (0, f"{cache}\n", "")
        told = two.linkpolicy("cache", "dir", "--json").json
        assert (told["schema"], told["path"]) == (1, str(cache))
        assert told["because"]

    monkeypatch.setenv("UV_CACHE_DIR", "relative")
    monkeypatch.chdir(two.world.base)
    assert two.linkpolicy("cache", "dir").out == f"{two.world.base}/relative\n"


def test_the_directory_for_a_policy_that_refuses(
    machine: Machine, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = '[tool.linkpolicy]\ncache = "default"\nfallback = "error"\n'
    machine.world.default_cache.mkdir(parents=True)
    monkeypatch.chdir(machine.world.project(disk / "project", policy))

    done = machine.linkpolicy("cache", "dir")

    assert (done.code, done.out) == (2, "")
    assert "refused" in done.err


def test_without_a_real_uv(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr("uvx_policy.locate.embedded_directories", tuple)

    for words in (("dir",), ("prune", "--yes")):
        assert machine.linkpolicy("cache", *words).code == 127
    assert machine.linkpolicy("cache", "list").code == 0


def test_faults_in_the_settings_are_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    file = machine.world.home / ".config" / "linkpolicy" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[defaults]\nhackabel = true\n")
    monkeypatch.chdir(machine.world.project(machine.world.base / "project"))

    for words in (("list",), ("dir",), ("clean", "--yes")):
        done = machine.linkpolicy("cache", *words)
        assert (done.code, done.out) == (1, "")
        assert f"{file}:2" in done.err


def test_who_uses_a_cache_and_what_is_wrong_with_it(machine: Machine) -> None:
    with machine.uv_run(machine.world.default_cache) as uv:
        machine.world.default_cache.chmod(0o777)
        listed = machine.linkpolicy("cache", "list").out
        (told,) = machine.linkpolicy("cache", "list", "--json").json["caches"]

    assert f"(pid {uv.pid}) holds its lock" in listed
    assert "everybody can write to it (mode 0777)" in listed
    assert [each["pid"] for each in told["in_use_by"]] == [uv.pid]
    assert told["in_use_by"][0]["command"].startswith("uv run")


def test_names_that_are_no_utf_8_and_an_output_that_is_ascii(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = os.fsencode(machine.world.base) + b"/caf\xe9\xc3\xa9"
    os.mkdir(cache)
    words = [sys.executable, "-m", "uvx_policy.cli", "cache"]
    actions = (
        ["list"],
        ["dir"],
        ["clean", "--dry-run", "--cache-dir", os.fsdecode(cache)],
    )
    # In a process of its own: what is tested is the encoding of its stdout.
    environ = {
        **os.environb,
        b"UV_CACHE_DIR": cache,
        b"PYTHONPATH": os.fsencode(Path(cli.__file__).parents[1]),
    }
    environ[b"PYTHONIOENCODING"] = b"ascii"
    for action in actions:
        done = subprocess.run([*words, *action], env=environ, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b""), action
        assert action != ["dir"] or done.stdout == cache + b"\n"
    monkeypatch.setenv("UV_CACHE_DIR", os.fsdecode(cache))
    told = json.loads(machine.linkpolicy("cache", "list", "--json").out)
    assert os.fsdecode(cache) in [each["path"] for each in told["caches"]]
