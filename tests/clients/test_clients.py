"""Every client of docs/reference/clients.md ends with links on a second disk.

Each runs three times: before linkpolicy is set up, which shows that nothing is shared then; after
`linkpolicy setup`; and, where that does not reach it, after the command that doctor names.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.machine import Linked, Machine, Supplies
from tests.clients.table import CLIENTS, Client
from tests.filesystems import FileSystems

pytestmark = [
    pytest.mark.clients, pytest.mark.uv, pytest.mark.filesystem, pytest.mark.timeout(600),
]  # fmt: skip
NAMED = {client.name: client for client in CLIENTS}


def each(*ways: str) -> list[object]:
    return [pytest.param(client, id=client.name) for client in CLIENTS if client.way in ways]


def all_hard(linked: Linked) -> bool:
    return linked.hard == linked.total and linked.module.st_nlink > 1


def all_cloned(linked: Linked) -> bool:
    return linked.cloned == linked.total


def none_shared(linked: Linked) -> bool:
    return not linked.hard and not linked.cloned and linked.module.st_nlink == 1


def prove(machine: Machine, shared: Callable[[Linked], bool]) -> dict[str, object]:
    """Use the client before and after each of the steps. What it took and gave."""
    client = machine.client
    plain = machine.run()
    assert (shared if client.way == "itself" else none_shared)(machine.linked())

    machine.setup()
    seconds = machine.run()
    told = machine.doctor()
    command = ""
    if client.way in ("adopt", "run"):
        assert none_shared(machine.linked())
        (finding,) = told
        fix = finding["fix"]
        command = fix["command"] or fix["otherwise"]["command"]
        assert (finding["id"], command.split()[:2]) == (client.check, ["linkpolicy", client.way])
        if client.way == "adopt":
            machine.type(command)
            seconds = machine.run()
            told = machine.doctor()
        else:
            # It ends with the program, whose words are left to the person.
            under, _, program = command.rpartition(" -- ")
            assert client.run.startswith(program)
            seconds = machine.run(under=f"{under} --")
            told = []

    linked = machine.linked()
    assert shared(linked)
    assert told == []
    return {
        "command": command,
        "plain": round(plain, 2),
        "seconds": round(seconds, 2),
        "hard": linked.hard,
        "cloned": linked.cloned,
        "total": linked.total,
        "inode": linked.module.st_ino,
        "links": linked.module.st_nlink,
    }


@pytest.mark.parametrize("client", each("path", "itself", "setup", "adopt", "run"))
def test_a_client_ends_with_hard_links_of_the_disks_cache(
    client: Client,
    fs: FileSystems,
    tmp_path: Path,
    supplies: Supplies,
    record_property: Callable[[str, object], None],
) -> None:
    measured = prove(Machine(tmp_path, fs.ext4, client, supplies), all_hard)

    for name, value in measured.items():
        record_property(name, value)


@pytest.mark.parametrize("name", ["nox", "hatch", "build[uv]"])
def test_a_client_ends_with_clones_where_the_disk_has_them(
    name: str, fs: FileSystems, tmp_path: Path, supplies: Supplies
) -> None:
    prove(Machine(tmp_path, fs.xfs, NAMED[name], supplies), all_cloned)


@pytest.mark.parametrize("client", each("setup"))
def test_a_client_without_its_variable_is_named_and_reached_by_what_doctor_says(
    client: Client, fs: FileSystems, tmp_path: Path, supplies: Supplies
) -> None:
    machine = Machine(tmp_path, fs.ext4, client, supplies)
    machine.setup()
    unset = "unset TOX_UV_PATH UV HATCH_ENV_TYPE_VIRTUAL_UV_PATH"
    with (machine.home / ".bashrc").open("a") as stream:
        stream.write(f"{unset}\n")
    machine.run()
    assert none_shared(machine.linked())
    (finding,) = machine.doctor()
    assert finding["id"] == client.check

    machine.run(first=finding["fix"]["command"])

    assert all_hard(machine.linked())


@pytest.mark.parametrize("client", each("path", "setup", "adopt", "run"))
def test_a_client_is_reached_under_linkpolicy_run(
    client: Client, fs: FileSystems, tmp_path: Path, supplies: Supplies
) -> None:
    machine = Machine(tmp_path, fs.ext4, client, supplies)

    machine.run(under=f"{supplies.linkpolicy} run --")

    assert all_hard(machine.linked())


@pytest.mark.parametrize(
    "client", [pytest.param(each, id=each.name) for each in CLIENTS if each.can_be_adopted]
)
def test_a_client_with_a_uv_beside_it_is_reached_while_it_is_adopted(
    client: Client, fs: FileSystems, tmp_path: Path, supplies: Supplies
) -> None:
    machine = Machine(tmp_path, fs.ext4, client, supplies)
    program = os.path.basename(client.run.split()[0])
    target = program if client.installed_by == "tool" else "~/env"

    machine.type(f"{supplies.linkpolicy} adopt {target}")
    machine.run()
    assert all_hard(machine.linked())

    machine.type(f"{supplies.linkpolicy} adopt --undo {target}")
    machine.run()
    assert none_shared(machine.linked())
