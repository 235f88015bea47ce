from __future__ import annotations

import csv
import io
import os
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.odd_files import fifo
from tests.uv.world import NAME, World, installed
from uvx_policy.installed.distributions import (
    Distribution,
    distributions,
    site_directories,
)
from uvx_policy.installed.hash import Hash
from uvx_policy.installed.record import Row, read


def make_distribution(site: Path, name: str = "one-1.0", record: str | bytes = "") -> Distribution:
    directory = site / f"{name}.dist-info"
    directory.mkdir(parents=True)
    content = record if isinstance(record, bytes) else record.encode()
    (directory / "RECORD").write_bytes(content)
    (found,) = distributions(str(site))
    return found


# Directories --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "site", ["lib/python3.12/site-packages", "lib/pypy3.10/site-packages", "Lib/site-packages"]
)
def test_site_directories(tmp_path: Path, site: str) -> None:
    (tmp_path / site).mkdir(parents=True)

    assert site_directories(str(tmp_path)) == (str(tmp_path / site),)


def test_lib64_counts_unless_it_is_lib(tmp_path: Path) -> None:
    (tmp_path / "lib/python3.12/site-packages").mkdir(parents=True)
    (tmp_path / "lib64").symlink_to("lib")
    assert len(site_directories(str(tmp_path))) == 1

    (tmp_path / "lib64").unlink()
    (tmp_path / "lib64/python3.12/site-packages").mkdir(parents=True)
    assert site_directories(str(tmp_path)) == (
        str(tmp_path / "lib/python3.12/site-packages"),
        str(tmp_path / "lib64/python3.12/site-packages"),
    )


def test_a_target_is_its_own_site_directory(tmp_path: Path) -> None:
    (tmp_path / "one-1.0.dist-info").mkdir()

    assert site_directories(str(tmp_path)) == (str(tmp_path),)


def test_the_spelling_is_kept(tmp_path: Path) -> None:
    (tmp_path / "real/lib/python3.12/site-packages").mkdir(parents=True)
    (tmp_path / ".venv").symlink_to("real")

    link = str(tmp_path / ".venv")

    assert site_directories(link) == (f"{link}/lib/python3.12/site-packages",)


@pytest.mark.parametrize("path", ["/no/such", "/dev/null", "/a\0b", ""])
def test_no_environment_has_no_site_directory(path: str) -> None:
    assert site_directories(path) == ()
    assert list(distributions(path)) == []


# Distributions ------------------------------------------------------------------------------------


@pytest.mark.uv
def test_what_uv_installed(tmp_path: Path, each_uv: Path) -> None:
    world = World(tmp_path, each_uv)
    project = world.project(tmp_path / "project")
    world.plain("sync", cwd=project)

    (site,) = site_directories(str(project / ".venv"))
    found = [one for one in distributions(site) if one.name == NAME]

    dist_info = f"{site}/{NAME}-1.0.dist-info"
    assert found == [
        Distribution(
            name=NAME, version="1.0", dist_info=dist_info, site=site, installer="uv",
            direct_url="", editable=False, record=f"{dist_info}/RECORD",
        )
    ]  # fmt: skip
    rows = {row.path: row for row in read(found[0])}
    data = installed(project / ".venv") / "data.bin"
    assert rows[f"{NAME}/data.bin"].size == data.stat().st_size
    assert rows[f"{NAME}/data.bin"].hash.algorithm == "sha256"
    assert all((Path(site) / path).exists() for path in rows)
    assert not any(row.problem for row in rows.values())


@pytest.mark.uv
def test_an_editable_installation_is_told(tmp_path: Path, newest_uv: Path) -> None:
    world = World(tmp_path, newest_uv)
    project = world.project(tmp_path / "project")
    (project / "backend.py").write_text(
        "import zipfile\n"
        "def build_editable(directory, *_):\n"
        "    info = 'mine-1.dist-info/'\n"
        "    with zipfile.ZipFile(directory + '/mine-1-py3-none-any.whl', 'w') as wheel:\n"
        "        told = 'Metadata-Version: 2.1\\nName: mine\\nVersion: 1'\n"
        "        wheel.writestr(info + 'METADATA', told)\n"
        "        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n')\n"
        "        wheel.writestr(info + 'RECORD', info + 'RECORD,,\\n')\n"
        "    return 'mine-1-py3-none-any.whl'\n"
    )
    (project / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    world.plain("venv", cwd=project)
    world.plain("pip", "install", "--no-index", "-e", ".", cwd=project)

    (site,) = site_directories(str(project / ".venv"))
    (found,) = [one for one in distributions(site) if one.name == "mine"]

    assert (found.editable, found.direct_url) == (True, project.as_uri())


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b'{"url": 1}', b'{"dir_info": 1}', b"\xff", b"[" * 60000, b'"x"'],
)
def test_a_damaged_direct_url_is_none(tmp_path: Path, text: bytes) -> None:
    make_distribution(tmp_path)
    (tmp_path / "one-1.0.dist-info" / "direct_url.json").write_bytes(text)

    (found,) = distributions(str(tmp_path))

    assert (found.direct_url, found.editable) == ("", False)


@pytest.mark.parametrize(
    ("directory", "name", "version"),
    [
        ("Foo_Bar-1.0.dist-info", "Foo_Bar", "1.0"),
        ("nothing.dist-info", "nothing", ""),
        (".dist-info", "", ""),
        ("old-2.0-py3.8.egg-info", "old", "2.0"),
    ],
)
def test_names_and_versions(tmp_path: Path, directory: str, name: str, version: str) -> None:
    (tmp_path / directory).mkdir()

    (found,) = distributions(str(tmp_path))

    assert (found.name, found.version, found.record) == (name, version, "")
    assert found.record == ""


# RECORD -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("a.py,sha256=x_Y-1,12", Row("a.py", Hash("sha256", "x_Y-1"), 12)),
        ('"a,""b"".py",sha256=x,1', Row('a,"b".py', Hash("sha256", "x"), 1)),
        ('"a\nb.py",,', Row("a\nb.py")),
        ("../../../bin/tool,,", Row("../../../bin/tool")),
        (b"\xff.py,,", Row("\udcff.py")),
        ("ä.py,,", Row("ä.py")),
        ("a.py,sha256=x,", Row("a.py", Hash("sha256", "x"))),
    ],
    ids=str,
)
def test_a_row(tmp_path: Path, line: str | bytes, row: Row) -> None:
    assert list(read(make_distribution(tmp_path, record=line))) == [row]


@pytest.mark.parametrize(
    "line",
    ["a.py", "a.py,", "a.py,,,", ",,", "a.py,sha256,1", "a.py,=x,1", "a.py,sha256=,1",
     "a.py,,x", "a.py,,-1", "a.py,,1.5", "a.py,,99999999999999999999", "a.py,,²"],
    ids=lambda line: line[:30],
)  # fmt: skip
def test_a_bad_row_has_a_problem_and_the_others_none(tmp_path: Path, line: str) -> None:
    record = f"first.py,,\n{line}\nlast.py,,\n"

    first, bad, last = read(make_distribution(tmp_path, record=record))

    assert bad.problem
    assert (first, last) == (Row("first.py"), Row("last.py"))


def test_a_nul_is_no_path(tmp_path: Path) -> None:
    rows = list(read(make_distribution(tmp_path, record="first.py,,\na\0b,,\nlast.py,,\n")))

    assert [bool(row.problem) for row in rows] == [False, True, False]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends_and_blank_lines(tmp_path: Path, ending: str) -> None:
    record = ending.join(["a.py,,", "", "b.py,,", ""])

    assert [row.path for row in read(make_distribution(tmp_path, record=record))] == [
        "a.py", "b.py",
    ]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example('a,,\nb,,\n"c,d",,\ne,,')
@given(st.text(alphabet='ab,"\n\r\x0b\u2028 '))
def test_rows_are_those_of_the_csv_reader(tmp_path: Path, record: str) -> None:
    site = tmp_path / str(next(_SITES))
    found = make_distribution(site, record=record)

    told = read(found).fields

    assert told == [row for row in csv.reader(io.StringIO(record, newline="")) if row]


_SITES = count()


def test_a_record_that_is_no_file_is_an_error_and_hangs_nobody(tmp_path: Path) -> None:
    found = make_distribution(tmp_path)
    os.unlink(found.record)
    fifo(Path(found.record))

    with pytest.raises(OSError, match="not a file"):
        read(found)


def test_odd_files_in_a_dist_info_hang_nobody(tmp_path: Path) -> None:
    make_distribution(tmp_path)
    fifo(tmp_path / "one-1.0.dist-info" / "INSTALLER")

    (found,) = distributions(str(tmp_path))

    assert found.installer == ""
