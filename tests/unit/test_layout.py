"""Our own rules for our directories, against the library that they repeat."""

from __future__ import annotations

import os
import sys

import platformdirs
import pytest

from uvx_policy.state import layout

XDG = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="only HOME"),
        pytest.param({**dict.fromkeys(XDG, "/x"), "XDG_STATE_HOME": "/s"}, id="XDG"),
        pytest.param({**dict.fromkeys(XDG, "x"), "XDG_STATE_HOME": ""}, id="relative"),
        pytest.param({"XDG_CONFIG_HOME": "/c/", "XDG_STATE_HOME": "/s//"}, id="trailing slash"),
    ],
)
def test_directories_are_those_of_platformdirs(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    seen = dict(os.environ)

    ours = (
        layout.config_home(seen, sys.platform),
        layout.state_home(seen, sys.platform),
        layout.data_home(seen, sys.platform),
    )

    theirs = (
        platformdirs.user_config_dir("linkpolicy", appauthor=False),
        platformdirs.user_state_dir("linkpolicy", appauthor=False),
        platformdirs.user_data_dir("linkpolicy", appauthor=False),
    )
    assert ours == tuple(os.path.normpath(path) for path in theirs)


def test_machine_directories_follow_xdg_config_dirs() -> None:
    seen = {"XDG_CONFIG_DIRS": "/a:relative::/b"}

    assert layout.machine_config_homes(seen, "linux") == ("/a/linkpolicy", "/b/linkpolicy")
    assert layout.machine_config_homes({}, "linux") == ("/etc/xdg/linkpolicy",)


def test_without_home_the_passwd_entry_counts() -> None:
    assert layout.home({}, sys.platform) == os.path.expanduser(f"~{_user()}")


def test_shims_lie_in_a_directory_of_their_own() -> None:
    assert layout.shim_directory({"HOME": "/h"}, "linux") == "/h/.local/share/linkpolicy/shims"
    assert layout.shim_directory({"LOCALAPPDATA": "C:\\L"}, "win32") == "C:\\L\\linkpolicy\\shims"


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        pytest.skip("this user has no passwd entry, as in a container")
