"""The configuration of the launchers of Windows: what shims/windows.c reads."""

from __future__ import annotations

import pytest

from uvx_policy.windows.launcher import directories_in, windows_configuration

PACKAGE, PYTHON = "C:\\Program Files\\lib\\uvx_policy", "C:\\Program Files\\Python\\python.exe"


def configuration(*embedded: str, package: str = PACKAGE, paths: tuple[str, ...] = ()) -> bytes:
    return windows_configuration(
        package=package,
        python=PYTHON,
        script=f"{package}\\answer.py",
        embedded=embedded,
        paths=paths,
    )


def test_fields_stand_in_order_and_each_is_ended() -> None:
    content = configuration("C:\\uv", "", "C:\\ümläut", paths=("D:\\tomli",))

    head, *fields = content.decode().split("\n")[0], *content.decode().split("\n")[1].split("\0")
    assert head == "linkpolicy-launcher-config-v2"
    assert fields == [
        PACKAGE,
        PYTHON,
        f'"{PYTHON}" -I -S "{PACKAGE}\\answer.py" D:\\tomli',
        "C:\\uv",
        "C:\\ümläut",
        "",
        "",
    ]


def test_directories_are_read_back() -> None:
    assert directories_in(configuration("C:\\uv", "C:\\ümläut")) == ("C:\\uv", "C:\\ümläut")
    assert directories_in(configuration()) == ()


def test_nothing_is_read_from_another_file() -> None:
    assert directories_in(b"") == ()
    assert directories_in(b"MZ\0a\0b\0c\0d\0\0") == ()


@pytest.mark.parametrize("package", ["a\0b", "x" * 70000])
def test_what_cannot_be_written_is_refused(package: str) -> None:
    with pytest.raises(ValueError, match=r"NUL|too long"):
        configuration(package=package)
