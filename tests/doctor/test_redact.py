"""A report that is shown to others has no names of people or machines in it."""

from __future__ import annotations

import json
import os
import pwd
import socket
from pathlib import Path

import pytest

from uvx_policy.doctor.redact import Redaction


def person(name: str, home: str, uid: int = 1001) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", uid, uid, "", home, "/bin/sh"))


@pytest.fixture
def hide(monkeypatch: pytest.MonkeyPatch) -> Redaction:
    """On jane's machine `lovelace.example.org`, which bob and al use, too."""
    monkeypatch.setattr(socket, "gethostname", lambda: "lovelace.example.org")
    people = [
        person("root", "/root", 0),
        person("jane", "/home/jane", 1000),
        person("bob", "/data/homes/bob"),
        person("al", "/home/al"),
        person("buildbot", "/nonexistent"),
        person("daemon", "/", 2),
        person("nobody", "/nonexistent", 65534),
    ]
    monkeypatch.setattr(pwd, "getpwall", lambda: people)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: people[1])
    monkeypatch.setattr(os.path, "expanduser", lambda _: "/home/jane")
    return Redaction({"HOME": "/home/jane", "USER": "jane"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/jane", "~"),
        ("/home/jane/.cache/uv", "~/.cache/uv"),
        ("`/home/jane`: gone", "`~`: gone"),
        ("PATH=/home/jane/bin:/home/jane/.local/bin", "PATH=~/bin:~/.local/bin"),
        ("/home/jane2/x", "/home/<user>/x"),
        ("/home/jane.old/x", "/home/<user>/x"),
        ("/mnt/home/jane/x", "/mnt/home/<user>/x"),
        ("/home/bob/x", "/home/<user>/x"),
        ("/home/somebody-else/x and /home/other", "/home/<user>/x and /home/<user>"),
        ("/Users/Jane Doe/x", "/Users/<user> Doe/x"),
        ("C:\\Users\\jane\\AppData", "C:\\Users\\<user>\\AppData"),
        ("/var/home/jane/x", "/var/home/<user>/x"),
        ("/data/homes/bob/x", "/home/<user>/x"),
        ("/data/homes/bobby/x", "/data/homes/bobby/x"),
        ("/mnt/data/jane/uv-cache", "/mnt/data/<user>/uv-cache"),
        ("/mnt/jane_cache", "/mnt/<user>_cache"),
        ("belongs to Jane", "belongs to <user>"),
        ("belongs to bob.", "belongs to <user>."),
        ("janet and trojane", "janet and trojane"),
        ("ssh jane@lovelace.example.org", "ssh <user>@<host>"),
        ("on LOVELACE", "on <host>"),
        ("nfs lovelace:/export", "nfs <host>:/export"),
        ("all of al", "all of al"),
        ("/srv/al/x and `al`", "/srv/<user>/x and `<user>`"),
        ("the workspace root /root/x of nobody", "the workspace root /root/x of nobody"),
        ("/usr/bin/uv as daemon", "/usr/bin/uv as daemon"),
        ("buildbot", "<user>"),
        ("/home/jane/\udcff/x", "~/\udcff/x"),
    ],
)
def test_names_are_taken_out_and_nothing_else(hide: Redaction, text: str, shown: str) -> None:
    assert hide(text) == shown


def test_json_stays_json_with_the_same_shape_and_our_own_words(hide: Redaction) -> None:
    told = {
        "id": "jane",
        "status": "fail",
        "paths": ["/home/jane/a", "/home/bob/b"],
        "bytes": 3,
        "fix": None,
        "facts": {"is": "Facts", "cache": "/home/jane/.cache/uv", "offline": False, "n": [1, [2]]},
    }

    hidden = hide.value(told)

    assert json.loads(json.dumps(hidden)) == {
        "id": "jane",
        "status": "fail",
        "paths": ["~/a", "/home/<user>/b"],
        "bytes": 3,
        "fix": None,
        "facts": {"is": "Facts", "cache": "~/.cache/uv", "offline": False, "n": [1, [2]]},
    }


def test_twice_is_as_good_as_once(hide: Redaction) -> None:
    once = hide("/home/jane/x of bob on lovelace")

    assert hide(once) == once


def test_the_home_behind_a_link_is_hidden_too(tmp_path: Path) -> None:
    real = tmp_path / "volumes" / "homes-of-all"
    real.mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)

    hide = Redaction({"HOME": str(tmp_path / "link")})

    assert hide(f"{real}/x and {tmp_path}/link/y") == "~/x and ~/y"


@pytest.mark.parametrize("home", ["/", "", "relative"])
def test_a_home_that_is_none_hides_nothing(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("HOME", home or "/")

    assert Redaction({"HOME": home})("/usr/bin/uv") == "/usr/bin/uv"
