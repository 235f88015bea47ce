"""Folders that a service copies to its servers."""

from __future__ import annotations

import pytest

from tests.fake_host import FakeHost
from uvx_policy.filesystem import cloud
from uvx_policy.model import Status

ONEDRIVE = "C:\\Users\\me\\OneDrive - Contoso"
PROJECT = f"{ONEDRIVE}\\p\\.venv"


class Windows(FakeHost):
    """No file system is asked: every path is a directory."""

    def __init__(self, environ: dict[str, str] | None = None) -> None:
        super().__init__({}, environ=environ, platform="win32", uid=-1)

    def link_status(self, path: str) -> Status | None:  # noqa: ARG002
        return super().link_status("/")


def why(
    directory: str,
    *,
    environ: dict[str, str] | None = None,
    roots: tuple[tuple[str, str], ...] = (),
    tags: dict[str, int] | None = None,
) -> str:
    return cloud.why_in_sync_root(
        Windows(environ),
        directory,
        registered=lambda _: iter(roots),
        tag_of=lambda path: (tags or {}).get(path, 0),
    )


@pytest.mark.parametrize("name", ["ONEDRIVE", "ONEDRIVECOMMERCIAL", "ONEDRIVECONSUMER"])
def test_onedrive_names_its_folders_in_variables(name: str) -> None:
    assert ONEDRIVE in why(PROJECT, environ={name: ONEDRIVE})
    assert ONEDRIVE.lower() in why(PROJECT.upper(), environ={name: ONEDRIVE.lower() + "\\"})


def test_what_lies_beside_is_not_in_it() -> None:
    assert why(f"{ONEDRIVE} 2\\p", environ={"ONEDRIVE": ONEDRIVE}) == ""
    assert why("C:\\Users\\me", environ={"ONEDRIVE": ONEDRIVE}) == ""


def test_a_name_is_no_evidence() -> None:
    assert why(PROJECT) == ""
    assert why("C:\\Dropbox\\p") == ""
    assert cloud.why_in_cloud(Windows(), "C:\\Dropbox\\p") == ""


def test_what_a_service_has_registered_is_told_with_its_name() -> None:
    told = why("D:\\box\\p", roots=(("Dropbox", "D:\\Box\\"), ("Other", "E:\\")))

    assert told == "`D:\\Box\\` is copied by `Dropbox`"


def test_a_whole_drive_can_be_registered() -> None:
    assert "Drive" in why("G:\\p", roots=(("Drive", "G:\\"),))


@pytest.mark.parametrize("tag", [0x9000001A, 0x9000601A, 0x9000F01A])
def test_a_directory_on_the_way_that_is_a_placeholder_tells_it(tag: int) -> None:
    assert "placeholder" in why(PROJECT, tags={ONEDRIVE: tag})


@pytest.mark.parametrize("tag", [0xA000000C, 0xA0000003, 0x80000013, 0])
def test_links_and_other_reparse_points_are_no_placeholders(tag: int) -> None:
    assert why(PROJECT, tags={ONEDRIVE: tag}) == ""


@pytest.mark.parametrize("path", ["/home/me/Dropbox/p", "/mnt/OneDrive - Contoso/p"])
def test_elsewhere_there_are_only_names(path: str) -> None:
    assert "cloud" in cloud.why_in_cloud(FakeHost({}), path)
    assert cloud.why_in_cloud(FakeHost({}), "/home/me/p") == ""
