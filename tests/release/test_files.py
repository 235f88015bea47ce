"""What a release consists of, whether indexes take it, and who gets which file of it."""

from __future__ import annotations

import configparser
import email.parser
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import hatch_build
import uvx_policy
from tests.packaging.checkout import LAUNCHER, extract_launcher, names
from tests.release import making
from tests.sandbox import ROOT
from uvx_policy import locate

WINDOWS_LAUNCHERS = {"uvx_policy/launcher.exe", "uvx_policy/launcherw.exe"}
NAME = f"uvx_policy-{uvx_policy.__version__}"


def test_there_is_a_wheel_for_each_platform_and_an_sdist(released: Path) -> None:
    tags = [*making.LINUX.values(), *((tag,) for tag in making.WINDOWS), *making.OTHERS]
    wheels = {f"{NAME}-py3-none-{'.'.join(each)}.whl" for each in tags}

    assert {path.name for path in released.iterdir()} == {f"{NAME}.tar.gz", *wheels}


def test_indexes_take_every_file(released: Path) -> None:
    told = making.run("twine", "check", "--strict", *released.iterdir(), NO_COLOR="1")

    assert len(re.findall("PASSED", told)) == len(list(released.iterdir()))


@pytest.mark.parametrize("architecture", making.LINUX)
def test_auditwheel_finds_what_the_tags_say(released: Path, architecture: str) -> None:
    tags = making.LINUX[architecture]

    told = making.run("auditwheel", "show", making.wheel(released, *tags))

    said = " ".join(told.split())
    # For i686 and x86_64 it finds an older glibc to be enough, as it is.
    (least,) = re.findall(
        rf'is consistent with the following platform tag: "manylinux_2_(\d+)_{architecture}"', said
    )
    assert int(least) <= int(tags[0].split("_")[2])
    assert "references no external versioned symbols" in said


def test_each_launcher_is_a_static_program_and_different(released: Path, tmp_path: Path) -> None:
    contents = set()
    for architecture, tags in making.LINUX.items():
        launcher = extract_launcher(making.wheel(released, *tags), tmp_path / architecture)
        contents.add(launcher.read_bytes())
        assert os.access(launcher, os.X_OK)
        headers = subprocess.run(
            ["readelf", "--wide", "--program-headers", launcher],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert "LOAD" in headers
        assert not re.search("INTERP|DYNAMIC", headers)

    assert len(contents) == len(making.LINUX)


@pytest.mark.parametrize("tags", making.OTHERS)
def test_the_others_have_python_shims(released: Path, tags: tuple[str, ...]) -> None:
    wheel = making.wheel(released, *tags)

    assert not {LAUNCHER, *WINDOWS_LAUNCHERS} & {*names(wheel)}
    assert "uvx_policy/launch.py" in names(wheel)


@pytest.mark.parametrize("tag", making.WINDOWS)
def test_the_launchers_of_windows_are_programs_that_linkpolicy_knows_again(
    released: Path, tmp_path: Path, tag: str
) -> None:
    with zipfile.ZipFile(making.wheel(released, tag)) as archive:
        paths = [Path(archive.extract(name, tmp_path)) for name in sorted(WINDOWS_LAUNCHERS)]
    heads = [path.read_bytes()[:1024] for path in paths]
    starts = [struct.unpack_from("<I", head, 60)[0] for head in heads]

    assert all(locate.is_ours(str(path)) for path in paths)
    assert [path.name for path in paths] == ["launcher.exe", "launcherw.exe"]
    # Machine and subsystem of the PE format: IMAGE_SUBSYSTEM_WINDOWS_CUI and _GUI.
    machine = {"win_amd64": 0x8664, "win_arm64": 0xAA64}[tag]
    assert [
        (head[at : at + 4], struct.unpack_from("<H", head, at + 4)[0])
        for head, at in zip(heads, starts, strict=True)
    ] == [(b"PE\0\0", machine)] * 2
    assert [
        struct.unpack_from("<H", head, at + 24 + 68)[0]
        for head, at in zip(heads, starts, strict=True)
    ] == [3, 2]


def test_a_program_without_a_place_for_the_marker_is_refused() -> None:
    program = bytearray(b"MZ".ljust(1024, b"\0"))
    struct.pack_into("<I", program, 60, 128)
    program[128:132] = b"PE\0\0"

    with pytest.raises(hatch_build.NotCompiled, match="no place for the marker"):
        hatch_build.marked(bytes(program))


def test_a_wheel_has_no_file_more_than_another_but_the_launchers(released: Path) -> None:
    launchers = {LAUNCHER, *WINDOWS_LAUNCHERS}
    packed = {
        frozenset(name for name in names(path) if ".dist-info/" not in name) - launchers
        for path in released.glob("*.whl")
    }

    assert len(packed) == 1


def test_the_commands_are_one_program_and_the_urls_are_there(released: Path) -> None:
    with zipfile.ZipFile(making.wheel(released, "any")) as archive:
        told = archive.read(f"{NAME}.dist-info/METADATA").decode()
        points = configparser.ConfigParser()
        points.read_string(archive.read(f"{NAME}.dist-info/entry_points.txt").decode())
    metadata = email.parser.Parser().parsestr(told)

    program = "uvx_policy.cli:program"
    assert dict(points["console_scripts"]) == {"linkpolicy": program, "uvx-policy": program}
    urls = {url.partition(",")[0] for url in metadata.get_all("Project-URL", [])}
    assert urls == {"Documentation", "Source", "Issues", "Changelog"}


def test_uvx_runs_it_by_the_name_of_the_package(released: Path, newest_uv: Path) -> None:
    wheels = ["--find-links", str(released), "--python", sys.executable]

    done = subprocess.run(
        [newest_uv, "tool", "run", "--quiet", *wheels, "uvx-policy", "--version"],
        env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, f"linkpolicy {uvx_policy.__version__}\n")


def test_the_sdist_has_what_people_look_for(released: Path) -> None:
    with tarfile.open(released / f"{NAME}.tar.gz") as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}

    assert {"CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "LICENSE", "README.md"} <= packed
    assert {"hatch_build.py", "release/build.py", "release/requirements.txt"} <= packed
    assert not any(name.startswith((".ci", ".test-uv", "dist")) for name in packed)


def test_a_release_of_the_sdist_elsewhere_has_the_same_bytes(
    released: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "a directory" / "with another name"
    tree.mkdir(parents=True)
    sdist = released / f"{NAME}.tar.gz"
    subprocess.run(["tar", "-xf", sdist, "--strip-components=1", "-C", tree], check=True)
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    done = making.build(
        tree, tmp_path / "dist",
        TMPDIR=str(temporary), TZ="Pacific/Apia", LC_ALL="C", SOURCE_DATE_EPOCH="1", CFLAGS="-O0",
        CC="false", LINKPOLICY_BUILD_LAUNCHER="no", PYTHONHASHSEED="7",
    )  # fmt: skip

    assert done.returncode == 0
    both = [
        {path.name: path.read_bytes() for path in directory.iterdir()}
        for directory in (released, tmp_path / "dist")
    ]
    assert [path for path in both[0] if both[0][path] != both[1].get(path)] == []
    assert both[0].keys() == both[1].keys()
    assert list(temporary.iterdir()) == []


def test_one_wheel_can_be_made_alone(released: Path, tmp_path: Path) -> None:
    done = making.build(ROOT, tmp_path / "dist", "--only", "any")

    (made,) = (tmp_path / "dist").iterdir()
    assert made.read_bytes() == making.wheel(released, "any").read_bytes()
    assert done.stdout.endswith(f"  {made.name}\n")


def test_a_platform_that_is_not_known_is_refused(tmp_path: Path) -> None:
    done = making.build(ROOT, tmp_path / "dist", "--only", "win32")

    assert done.returncode == 2
    assert not (tmp_path / "dist").exists()


def test_a_wheel_for_a_machine_that_is_not_known_is_refused(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "uvx_policy", tree / "uvx_policy")
    for name in ("hatch_build.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)

    done = subprocess.run(
        [making.python(), "-c", "from hatchling.build import build_wheel; build_wheel('dist')"],
        cwd=tree, env=os.environ | {"LINKPOLICY_BUILD_FOR": "linux"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert "LINKPOLICY_BUILD_FOR is `linux`, and not one of linux-x86_64, " in done.stderr


# --- who gets which -------------------------------------------------------------------------------

#: what uv calls a platform -> a tag of the wheel that is for it
CHOSEN_BY_UV = {
    "linux": "manylinux_2_17_x86_64",
    "x86_64-unknown-linux-gnu": "manylinux_2_17_x86_64",
    "x86_64-manylinux2014": "manylinux_2_17_x86_64",
    "x86_64-manylinux_2_40": "manylinux_2_17_x86_64",
    "x86_64-unknown-linux-musl": "musllinux_1_1_x86_64",
    "aarch64-unknown-linux-gnu": "manylinux_2_17_aarch64",
    "aarch64-manylinux2014": "manylinux_2_17_aarch64",
    "aarch64-unknown-linux-musl": "musllinux_1_1_aarch64",
    "riscv64-unknown-linux": "manylinux_2_31_riscv64",
    "macos": "macosx_11_0_universal2",
    "aarch64-apple-darwin": "macosx_11_0_universal2",
    "x86_64-apple-darwin": "macosx_11_0_universal2",
    "windows": "win_amd64",
    "x86_64-pc-windows-msvc": "win_amd64",
    "aarch64-pc-windows-msvc": "win_arm64",
    "i686-pc-windows-msvc": "any",
}
#: those that uv has no name for: a platform tag of pip
CHOSEN_BY_PIP = {
    "manylinux_2_17_armv7l": "manylinux_2_17_armv7l",
    "musllinux_1_1_armv7l": "musllinux_1_1_armv7l",
    "manylinux_2_17_i686": "manylinux_2_17_i686",
    "musllinux_1_1_i686": "musllinux_1_1_i686",
    "musllinux_1_1_riscv64": "musllinux_1_1_riscv64",
    "manylinux_2_17_ppc64le": "any",
    "macosx_10_13_x86_64": "any",
}


def tags_of(target: Path) -> list[str]:
    """Of what was installed there."""
    (told,) = target.glob("*.dist-info/WHEEL")
    return re.findall("Tag: py3-none-(.*)\n", told.read_text(encoding="utf-8"))


@pytest.mark.parametrize("platform", CHOSEN_BY_UV)
def test_uv_installs_the_wheel_for_the_platform(
    released: Path, newest_uv: Path, tmp_path: Path, platform: str
) -> None:
    subprocess.run(
        [newest_uv, "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--find-links", released, "--only-binary", ":all:", "--python", sys.executable,
         "--python-platform", platform, "--target", tmp_path, "uvx-policy"],
        check=True,
    )  # fmt: skip

    assert CHOSEN_BY_UV[platform] in tags_of(tmp_path)
    kind = CHOSEN_BY_UV[platform]
    assert (tmp_path / LAUNCHER).exists() == ("linux" in kind)
    assert (tmp_path / "uvx_policy/launcher.exe").exists() == ("win" in kind.split("_"))


@pytest.mark.parametrize("platform", CHOSEN_BY_PIP)
def test_pip_installs_the_wheel_for_the_platform(
    released: Path, tmp_path: Path, platform: str
) -> None:
    making.run(
        "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
        "--find-links", released, "--only-binary", ":all:",
        "--platform", platform, "--target", tmp_path, "uvx-policy",
    )  # fmt: skip

    assert CHOSEN_BY_PIP[platform] in tags_of(tmp_path)
